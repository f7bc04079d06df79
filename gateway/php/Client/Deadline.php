<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * A moment by the monotonic clock: changes of the time of day move no time limit.
 *
 * @internal
 */
final class Deadline
{
    private function __construct(public readonly float $atMs)
    {
    }

    public static function nowMs(): float
    {
        return hrtime(true) / 1e6;
    }

    public static function in(float $ms): self
    {
        return new self(self::nowMs() + $ms);
    }

    public static function never(): self
    {
        return new self(INF);
    }

    /** The earlier one; 0: no limit. */
    public function orIn(int $ms): self
    {
        return $ms === 0 ? $this : new self(min($this->atMs, self::nowMs() + $ms));
    }

    public function leftMs(): float
    {
        return $this->atMs - self::nowMs();
    }
}
