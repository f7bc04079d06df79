<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use function hrtime;
use function memory_get_usage;

/** Whether there is memory for one more call: without it the worker would die, and every call in it. */
final class Memory
{
    /** The rest is for what cannot be foreseen: fragments, an answer that is put together. */
    private const SHARE = 0.9;
    private const COLLECT_EVERY_NS = 100_000_000;

    private readonly int $maxBytes;
    private int $collectedNs = 0;

    /** @param int $callBytes what must be left for a call */
    public function __construct(private readonly int $callBytes)
    {
        $limitBytes = self::bytes((string) ini_get('memory_limit'));
        $this->maxBytes = $limitBytes < 0 ? PHP_INT_MAX : (int) ($limitBytes * self::SHARE);
    }

    public function hasRoom(): bool
    {
        return memory_get_usage() + $this->callBytes <= $this->maxBytes;
    }

    /** What nothing refers to any more but itself. Looking for it takes milliseconds, so not for each call. */
    public function collect(): void
    {
        $nowNs = hrtime(true);
        if ($nowNs - $this->collectedNs >= self::COLLECT_EVERY_NS) {
            $this->collectedNs = $nowNs;
            try {
                gc_collect_cycles();
            } catch (\Throwable) {
                // Of a destructor: nobody's call is behind it.
            }
        }
    }

    private static function bytes(string $setting): int
    {
        $unit = ['k' => 10, 'm' => 20, 'g' => 30][strtolower(substr(trim($setting), -1))] ?? 0;

        return (int) $setting << $unit;
    }
}
