<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Cancelled;
use FpmGateway\DeadlineExceeded;
use FpmGateway\Resident\Handling;
use FpmGateway\Runtime;

use function hrtime;

/** Ends calls: their time is up, or nobody wants their answer. They may clean up; those that go on all the same are dropped. */
final class Over
{
    private const MAX_TIMES = 10;
    private const MAX_NS = 1_000_000_000;

    /** In the call's Fiber. */
    public static function tell(Task $task): never
    {
        if ($task->dropped) {
            // A finally block, while its Fiber is destroyed.
            throw new DeadlineExceeded('The call was dropped: it cannot wait any more.');
        }
        $nowNs = hrtime(true);
        $task->thrownNs = $task->thrownNs === 0 ? $nowNs : $task->thrownNs;
        if (++$task->thrown > self::MAX_TIMES || $nowNs - $task->thrownNs > self::MAX_NS) {
            self::drop($task);
        }

        $task->call?->cancellation()?->run($task->cancelled ? 'cancelled' : 'timeout');

        throw $task->cancelled
            ? new Cancelled('Nobody wants the answer of this call any more.')
            : new DeadlineExceeded('The time of this call ran out while it waited.');
    }

    /** Whether this ended the call. The handler may throw such things itself. */
    public static function isDeadline(Task $task, \Throwable $thrown): bool
    {
        return $task->thrown > 0 && !$task->cancelled && $thrown instanceof DeadlineExceeded;
    }

    private static function drop(Task $task): never
    {
        $task->dropped = true;
        $what = $task->cancelled ? 'Cancelled' : 'DeadlineExceeded';
        $times = $task->thrown - 1;
        $task->meta = Handling::members(['outcome' => 'exception', 'exception' => Runtime::describe(
            new DeadlineExceeded("The handler caught $what, thrown $times times where it waited, and waited again: its Fiber was dropped."),
        )]);
        // The loop destroys it here: its finally blocks run.
        \Fiber::suspend();

        throw new \LogicException('A Fiber that was dropped was resumed.');
    }
}
