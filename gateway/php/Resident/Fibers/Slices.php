<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Behind;
use FpmGateway\Resident\Fork;
use FpmGateway\Resident\Handling;
use FpmGateway\Resident\Leaks\Leak;
use FpmGateway\Resident\Signals;
use FpmGateway\Runtime;

use function hrtime;
use function intdiv;

/** Lets calls run, each from one wait to the next. */
final class Slices
{
    /** One that does not wait for so long held up all others. */
    private const LONG_NS = 100_000_000;

    private const MAX_REFUSALS = 10;

    /** When the last one ended. */
    public int $endedNs = 0;
    public ?Signals $signals = null;

    public function __construct(
        private readonly Waiting $waiting,
        private readonly Surroundings $surroundings,
        private readonly Output $output,
        private readonly Behind $behind,
        private readonly int $pid,
    ) {
    }

    public function run(Task $task): void
    {
        $this->waiting->running = $task;
        $this->surroundings->resumed($task);
        $this->signals?->begin();
        $fromNs = $this->waiting->resumedNs = hrtime(true);
        $task->fiber->resume($task);
        $this->endedNs = hrtime(true);
        if ($task->waitsFor === Task::NOTHING && !$task->ended && !$task->dropped) {
            $this->refuse($task);
        }
        // What a handler forked has nobody to wait with.
        Fork::endIn($this->pid);
        if ($task->dropped) {
            $this->destroy($task);
        }
        if ($this->output->isWriting) {
            throw new \RuntimeException('what a call sent was cut by an exception, as of a signal\'s handler');
        }
        if ($this->signals !== null) {
            array_push($task->leaks, ...$this->signals->end());
        }
        $this->surroundings->suspended($task);
        $this->waiting->running = null;
        $ns = $this->endedNs - $fromNs;
        $task->cpuNs += $ns;
        if ($ns > self::LONG_NS && $ns > $task->longestNs) {
            $task->longestNs = $ns;
            $task->heldUp = $this->waiting->live->count() - 1;
        }
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool} */
    public static function long(Task $task): array
    {
        $calls = $task->heldUp === 1 ? 'call' : 'calls';

        return Leak::of('blocks', $task->function, sprintf('ran %d ms without waiting: %d other %s waited', intdiv($task->longestNs, 1_000_000), $task->heldUp, $calls), true);
    }

    /** The handler suspended the Fiber of its call by itself: nobody knows when it could go on. */
    private function refuse(Task $task): void
    {
        for ($times = 0; $task->waitsFor === Task::NOTHING && !$task->ended && !$task->dropped; ++$times) {
            $thrown = new \LogicException('The handler called Fiber::suspend() in the Fiber of its call, which only the runtime may: use $call->sleep(), or a Fiber of its own.');
            if ($times === self::MAX_REFUSALS) {
                $task->meta = Handling::members(['outcome' => 'exception', 'exception' => Runtime::describe($thrown)]);
                $task->dropped = true;
            } else {
                $task->fiber->throw($thrown);
            }
        }
        $this->endedNs = hrtime(true);
    }

    /** Its finally blocks run. */
    private function destroy(Task $task): void
    {
        $task->ended = true;
        try {
            $task->fiber = null;
        } catch (\Throwable $thrown) {
            $this->behind->tell($thrown);
            array_push($task->leaks, ...$this->behind->takeLate());
        }
        $this->endedNs = hrtime(true);
        Fork::endIn($this->pid);
    }
}
