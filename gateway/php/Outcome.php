<?php

declare(strict_types=1);

namespace FpmGateway;

/** What one request costs, measured from the making of this object on, and whether an error ended it. */
final class Outcome
{
    private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

    public readonly int $startedNs;
    private readonly float $startedCpuMs;
    private readonly int $startedWaits;

    public function __construct()
    {
        $this->startedNs = hrtime(true);
        $this->startedCpuMs = self::cpuMs();
        $this->startedWaits = self::waits();
    }

    /** @return array{pid: int|false, peakBytes: int, cpuMs: float, wallMs: float, waits: int} */
    public function usage(): array
    {
        return [
            'pid' => getmypid(),
            'peakBytes' => memory_get_peak_usage(true),
            'cpuMs' => round(self::cpuMs() - $this->startedCpuMs, 3),
            'wallMs' => round((hrtime(true) - $this->startedNs) / 1e6, 3),
            'waits' => self::waits() - $this->startedWaits,
        ];
    }

    /**
     * For shutdown functions, which alone can see it.
     *
     * @return array{outcome: string, exception: array<string, mixed>}|null for the gateway; null when none was fatal
     */
    public static function fatal(): ?array
    {
        $last = error_get_last();
        if ($last === null || ($last['type'] & self::FATAL) === 0) {
            return null;
        }
        // The second is the system's refusal, below the memory_limit.
        $outOfMemory = preg_match('/^(Allowed memory size|Out of memory)/', $last['message']) === 1;

        return [
            'outcome' => $outOfMemory ? 'out-of-memory' : 'fatal',
            'exception' => [
                'class' => 'Fatal error',
                'message' => $last['message'],
                'file' => $last['file'],
                'line' => $last['line'],
            ],
        ];
    }

    /** Times this process gave up the CPU to wait for something. */
    private static function waits(): int
    {
        $usage = getrusage();

        return $usage === false ? 0 : $usage['ru_nvcsw'];
    }

    private static function cpuMs(): float
    {
        $usage = getrusage();
        if ($usage === false) {
            return 0.0;
        }

        return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e3
            + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) / 1e3;
    }
}
