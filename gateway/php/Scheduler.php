<?php

declare(strict_types=1);

namespace FpmGateway;

/**
 * What runs many calls in one process, each in a Fiber. `sleep()` and `select()` suspend the running call; they throw
 * a \LogicException in a Fiber that the handler started itself: suspending it would suspend the wrong one.
 *
 * @internal
 */
interface Scheduler
{
    /**
     * Outside of calls it blocks.
     *
     * @throws DeadlineExceeded
     * @throws Cancelled
     * @throws \LogicException
     */
    public function sleep(float $ms): void;

    /**
     * Ends the `sleep()` or `select()` of this call early, in the loop's next turn: a place in a line of waiting calls has
     * come free. Nothing where it does not wait. This suspends nobody.
     *
     * @param object $owner as `owner()` said it
     */
    public function wake(object $owner): void;

    /**
     * As `Wait::select()`. Comes back early, with two empty lists, when an ANSWER for the running call is there.
     *
     * @template K of array-key
     *
     * @param array<K, resource> $read
     * @param array<K, resource> $write
     *
     * @return array{list<K>, list<K>} keys that can be read, written
     *
     * @throws DeadlineExceeded
     * @throws Cancelled
     * @throws \LogicException
     */
    public function select(array $read, array $write, float $waitMs): array;

    /**
     * Puts out a nested call of the running call.
     *
     * @param string $message one line of JSON (`{"path":…,"headers":{…}}`), and the body behind it
     *
     * @return int its number, by which `answers()` has its answer
     *
     * @throws \LogicException outside of calls, and in a Fiber of the handler's own
     */
    public function call(string $message): int;

    /** Nobody wants the answer of this nested call any more. */
    public function cancel(int $number): void;

    /**
     * What has come for the running call; each is given once.
     *
     * @return array<int, string> by number: one line of JSON (`{"status":…,"headers":{…}}`), and the body behind it
     */
    public function answers(): array;

    /** The running call, by which pools and caches know whose something is. Null: none runs now. */
    public function owner(): ?object;

    /**
     * Runs it at any end of the running call, also when its Fiber is dropped. It runs in the loop: it must not wait.
     *
     * @param callable(): mixed $hook a list that it returns is told as leaks
     */
    public function atEnd(callable $hook): void;
}
