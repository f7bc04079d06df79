<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * Memory that goes on growing. A window's least use is compared with the window before: peaks do not count. After ten
 * windows that each grew, cycles are collected and the rest is remembered; after ten more at a time, what has grown since
 * is a leak when it is 256 KB. So a cache that fills for 2,000 calls is none, nor is the rise and fall between two runs of the cycle collector.
 */
final class MemoryTrend
{
    private const WINDOW_CALLS = 100;
    private const WINDOWS = 10;
    private const MIN_WINDOW_BYTES = 2048;
    private const MIN_BYTES = 262_144;

    private int $calls = 0;
    private int $last;
    private int $least = PHP_INT_MAX;
    private int $before = PHP_INT_MAX;
    private int $rising = 0;
    /** Tens of windows since what was collected. */
    private int $rounds = 0;
    private ?int $collected = null;
    /** @var array<string, int> bytes that calls of each function left since the rise began */
    private array $left = [];

    public function __construct()
    {
        $this->last = memory_get_usage();
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool}|null */
    public function afterCall(string $function): ?array
    {
        $bytes = \memory_get_usage();
        if ($bytes !== $this->last) {
            $this->left[$function] = ($this->left[$function] ?? 0) + $bytes - $this->last;
            $this->last = $bytes;
        }
        if ($bytes < $this->least) {
            $this->least = $bytes;
        }

        return ++$this->calls < self::WINDOW_CALLS ? null : $this->endWindow();
    }

    /** A call at whose end more others waited than at those that are measured: a window ends with one of these. */
    public function passOver(): void
    {
        ++$this->calls;
    }

    /** Nothing of the time before is comparable. */
    public function restart(): void
    {
        $this->last = memory_get_usage();
        $this->least = $this->before = PHP_INT_MAX;
        $this->calls = $this->rising = $this->rounds = 0;
        $this->collected = null;
        $this->left = [];
    }

    /** What a comparison has come to hold is not the call's. */
    public function leaveOut(int $bytes): void
    {
        $this->last += $bytes;
        if ($this->before !== PHP_INT_MAX) {
            $this->before += $bytes;
        }
        if ($this->least !== PHP_INT_MAX) {
            $this->least += $bytes;
        }
        if ($this->collected !== null) {
            $this->collected += $bytes;
        }
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool}|null */
    private function endWindow(): ?array
    {
        $isFirst = $this->before === PHP_INT_MAX;
        $grew = $this->least - $this->before >= self::MIN_WINDOW_BYTES;
        $this->before = $this->least;
        $this->least = PHP_INT_MAX;
        $this->calls = 0;
        if ($isFirst) {
            return null;
        }
        if (!$grew) {
            $this->rising = $this->rounds = 0;
            $this->collected = null;
            $this->left = [];

            return null;
        }
        if (++$this->rising < self::WINDOWS) {
            return null;
        }
        gc_collect_cycles();
        $this->rising = 0;
        $this->before = PHP_INT_MAX;
        $this->last = memory_get_usage();
        if ($this->collected === null) {
            $this->collected = $this->last;
            $this->left = [];

            return null;
        }
        ++$this->rounds;
        // What grows slowly is measured for longer.
        if ($this->last - $this->collected < self::MIN_BYTES) {
            return null;
        }
        arsort($this->left);
        $function = (string) array_key_first($this->left);
        $calls = self::WINDOW_CALLS * (self::WINDOWS + 1) * $this->rounds;
        $leak = Leak::of('memory', "memory of $function", sprintf(
            '%.1f MB → %.1f MB in %d calls, %d bytes a call, after garbage collection',
            $this->collected / 1e6,
            $this->last / 1e6,
            $calls,
            intdiv($this->last - $this->collected, $calls),
        ), false);
        $this->collected = $this->last;
        $this->rounds = 0;
        $this->left = [];

        return $leak;
    }
}
