<?php

declare(strict_types=1);

namespace FpmGateway;

/** What one request costs, measured from the making of this object on, and whether an error ended it. */
final class Outcome
{
    private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

    public readonly int $startedNs;
    /** @var array<string, int> */
    private readonly array $startedUsage;

    public function __construct()
    {
        $this->startedNs = hrtime(true);
        $this->startedUsage = getrusage();
    }

    /**
     * `waits`: how often this process gave up the CPU to wait for something.
     *
     * @return array{pid: int|false, peakBytes: int, cpuMs: float|int, wallMs: float|int, waits: int}
     */
    public function usage(): array
    {
        $usage = getrusage();

        return [
            'pid' => getmypid(),
            'peakBytes' => memory_get_peak_usage(true),
            'cpuMs' => (self::cpuUs($usage) - self::cpuUs($this->startedUsage)) / 1000,
            'wallMs' => intdiv(hrtime(true) - $this->startedNs, 1000) / 1000,
            'waits' => $usage['ru_nvcsw'] - $this->startedUsage['ru_nvcsw'],
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

    /** @param array<string, int> $usage */
    private static function cpuUs(array $usage): int
    {
        return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1_000_000
            + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
    }
}
