<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

/**
 * Fibers that have done a call and wait for the next: to make and end one takes 35 µs, for its stack is mapped and its
 * first pages are touched; to go on with one takes 0.1 µs.
 */
final class Runners
{
    /** Each that waits here holds 8 kB of memory, and 16 kB of memory_limit. */
    private const MAX_IDLE = 256;

    /** @var list<\Fiber<mixed, mixed, void, mixed>> */
    private array $idle = [];
    private readonly \Closure $body;

    /** @param \Closure(Task): void $run a call, to its end: it must not throw */
    public function __construct(\Closure $run)
    {
        $this->body = static function () use ($run): void {
            // PHP gives each Fiber one of its own, which stays when a call has changed it.
            $level = \error_reporting();
            // Nothing keeps a call that has ended.
            while (true) {
                $run(\Fiber::suspend());
                if (\error_reporting() !== $level) {
                    \error_reporting($level);
                }
            }
        };
    }

    /** One that takes a task when it is resumed. Where the system has no memory for a stack it throws. */
    public function take(): \Fiber
    {
        if ($this->idle !== []) {
            return array_pop($this->idle);
        }
        $fiber = new \Fiber($this->body);
        $fiber->start();

        return $fiber;
    }

    public function give(\Fiber $fiber): void
    {
        if (\count($this->idle) < self::MAX_IDLE) {
            $this->idle[] = $fiber;
        }
    }

    /** Where memory is short. */
    public function drop(): void
    {
        $this->idle = [];
    }
}
