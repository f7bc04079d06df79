<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\MemoryLimit;

use function hrtime;
use function memory_get_usage;
use function strlen;
use function substr_count;

/** Whether there is memory for one more call: without it the worker would die, and every call in it. */
final class Memory
{
    /** The rest is for what cannot be foreseen: fragments, an answer that is put together. */
    private const SHARE = 0.9;
    private const COLLECT_EVERY_NS = 100_000_000;

    /**
     * What decoded JSON takes. Measured, each byte of `[[1],[1],…]` takes 61 bytes, of `[[[[…` 108, of `{"":{"":…` 75,
     * of rows of a table 12, of text 2; PHP 8.1 has arrays of twice the size. These add up to 1.2 to 6 times as much.
     */
    private const ARRAY_BYTES = 400;
    private const MEMBER_BYTES = 100;
    private const ITEM_BYTES = 40;
    private const QUOTE_BYTES = 16;
    private const TEXT = 2;
    /** No JSON takes more for each of its bytes: two are an array. */
    private const DENSEST = 202;

    private readonly int $maxBytes;
    private int $collectedNs = 0;
    /** When room was last asked for. */
    private int $usedBytes = 0;
    /** @var array<string, int> by function: those that take more than others */
    private array $took = [];

    /** @param int $callBytes what must be left for a call */
    public function __construct(private readonly int $callBytes)
    {
        $limitBytes = MemoryLimit::bytes();
        $this->maxBytes = $limitBytes === PHP_INT_MAX ? PHP_INT_MAX : (int) ($limitBytes * self::SHARE);
    }

    /** @param string $input not yet decoded: it may take a hundred times as much then */
    public function hasRoom(string $function, string $input): bool
    {
        $this->usedBytes = memory_get_usage();
        $leftBytes = $this->maxBytes - $this->usedBytes;
        if (isset($this->took[$function]) && $this->took[$function] > $leftBytes) {
            return false;
        }
        $leftBytes -= $this->callBytes;

        // To look into it takes 0.3 to 3.4 µs for each kB: only where it matters.
        return strlen($input) * self::DENSEST <= $leftBytes || self::decoded($input) <= $leftBytes;
    }

    /**
     * When a call for which there was room waits first, or has ended: those of its function to come will take as much.
     * One that was an exception, as the first that loads classes, is forgotten by and by.
     */
    public function began(string $function): void
    {
        $bytes = memory_get_usage() - $this->usedBytes;
        $known = $this->took[$function] ?? 0;
        if ($bytes <= $this->callBytes && $known === 0) {
            return;
        }
        $bytes = max($bytes, $known - ($known >> 4));
        if ($bytes > $this->callBytes) {
            $this->took[$function] = $bytes;
        } else {
            unset($this->took[$function]);
        }
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

    private static function decoded(string $json): int
    {
        return self::TEXT * strlen($json)
            + self::ARRAY_BYTES * (substr_count($json, '[') + substr_count($json, '{'))
            + self::MEMBER_BYTES * substr_count($json, ':')
            + self::ITEM_BYTES * substr_count($json, ',')
            + self::QUOTE_BYTES * substr_count($json, '"');
    }
}
