<?php

declare(strict_types=1);

namespace FpmGateway;

use FpmGateway\Client\Nested;
use FpmGateway\Client\Readiness;

/** How calls wait. In a concurrent worker others run in the meantime; elsewhere the process blocks: it has nothing else to do. */
final class Wait
{
    /**
     * Set in concurrent workers alone.
     *
     * @internal
     */
    public static ?Scheduler $scheduler = null;

    /** @throws DeadlineExceeded|Cancelled in concurrent workers */
    public static function sleep(float $ms): void
    {
        if (self::$scheduler !== null) {
            try {
                self::$scheduler->sleep($ms);
            } catch (\FiberError $impossible) {
                throw self::impossible($impossible);
            }
        } elseif ($ms > 0) {
            usleep((int) ceil($ms * 1000));
        }
    }

    /**
     * `stream_select` for arrays with keys. It may come back early, with nothing.
     *
     * @template K of array-key
     *
     * @param array<K, resource> $read
     * @param array<K, resource> $write
     *
     * @return array{list<K>, list<K>} keys that can be read, written
     *
     * @throws DeadlineExceeded|Cancelled in concurrent workers
     * @throws Client\Broken              where PHP cannot wait for them, and never will
     */
    public static function select(array $read, array $write, float $waitMs): array
    {
        if (self::$scheduler === null) {
            return Readiness::select($read, $write, $waitMs);
        }
        // Answers to nested calls that nobody has taken would end this wait at once, again and again.
        Nested::receive();

        return self::ready(self::$scheduler, $read, $write, $waitMs);
    }

    /**
     * For who has taken the answers that have come: see `Scheduler::select()`.
     *
     * @internal
     *
     * @template K of array-key
     *
     * @param array<K, resource> $read
     * @param array<K, resource> $write
     *
     * @return array{list<K>, list<K>}
     *
     * @throws DeadlineExceeded|Cancelled
     */
    public static function ready(Scheduler $scheduler, array $read, array $write, float $waitMs): array
    {
        try {
            return $scheduler->select($read, $write, $waitMs);
        } catch (\FiberError $impossible) {
            throw self::impossible($impossible);
        }
    }

    /** PHP says "Cannot switch fibers in current execution context", and not what would mend it. */
    private static function impossible(\FiberError $thrown): \LogicException
    {
        return new \LogicException('PHP can suspend no call here: in a destructor PHP before 8.4 cannot. Wait in the handler, or in a hook of $call->onReset(); $call->fire() waits for nothing.', 0, $thrown);
    }
}
