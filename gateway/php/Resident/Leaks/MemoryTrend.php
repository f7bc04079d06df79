<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * Memory that goes on growing. A window's least use is compared with the window before: peaks do not count. After ten
 * windows that each grew, cycles are collected and the rest is remembered; ten more, and what has grown since is a leak.
 * So a cache that fills for 2,000 calls is none, nor is the rise and fall between two runs of the cycle collector.
 */
final class MemoryTrend
{
    private const WINDOW_CALLS = 100;
    private const WINDOWS = 10;
    private const MIN_WINDOW_BYTES = 2048;
    private const MIN_BYTES = 65_536;

    private int $calls = 0;
    private int $last;
    private int $least = PHP_INT_MAX;
    private int $before = PHP_INT_MAX;
    private int $rising = 0;
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
        $grew = $this->least - $this->before >= self::MIN_WINDOW_BYTES;
        $this->before = $this->least;
        $this->least = PHP_INT_MAX;
        $this->calls = 0;
        if (!$grew) {
            $this->rising = 0;
            $this->collected = null;
            $this->left = [];

            return null;
        }
        if (++$this->rising < self::WINDOWS) {
            return null;
        }
        gc_collect_cycles();
        $this->rising = 0;
        $this->before = $this->last = memory_get_usage();
        $base = $this->collected;
        $this->collected = $this->last;
        arsort($this->left);
        $function = (string) array_key_first($this->left);
        $this->left = [];
        if ($base === null || $this->last - $base < self::MIN_BYTES) {
            return null;
        }
        $calls = self::WINDOW_CALLS * self::WINDOWS;

        return Leak::of('memory', "memory of $function", sprintf(
            '%.1f MB → %.1f MB in %d calls, %d bytes a call, after garbage collection',
            $base / 1e6,
            $this->last / 1e6,
            $calls,
            intdiv($this->last - $base, $calls),
        ), false);
    }
}
