<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Cancelled;
use FpmGateway\Client\Readiness;
use FpmGateway\Resident\Printed;
use FpmGateway\Scheduler;

use function ceil;
use function hrtime;
use function intdiv;
use function max;
use function min;
use function usleep;

/** How calls wait: they are suspended, and are in line again when what they wait for is there. */
final class Waiting implements Scheduler
{
    /** A call that finds its streams ready goes on at once, unless it has run for so long. */
    private const SLICE_NS = 2_000_000;
    private const MAX_WAIT_MS = 1e9;

    /** The one whose code runs now. */
    public ?Task $running = null;
    /** Of the worker: finally blocks of calls that were cut may not wait. */
    public bool $ends = false;
    public int $resumedNs = 0;
    /** @var \SplQueue<Task> those that can go on */
    public readonly \SplQueue $line;
    public readonly Timers $timers;
    public readonly Streams $streams;
    public readonly Live $live;
    private readonly Nested $nested;

    public function __construct(Output $output, int $pid)
    {
        $this->line = new \SplQueue();
        $this->timers = new Timers();
        $this->streams = new Streams();
        $this->live = new Live($this->goOn(...));
        $this->nested = new Nested($this->live, $output, $pid);
    }

    /** It is in line again, unless it is already or runs. */
    public function goOn(Task $task): void
    {
        if ($task->waitsFor === Task::NOTHING) {
            return;
        }
        $this->leave($task);
        $this->line->enqueue($task);
    }

    public function sleep(float $ms): void
    {
        $task = $this->task();
        if ($task === null) {
            usleep((int) ceil(max(0.0, $ms) * 1000));

            return;
        }
        $this->suspend($task, Task::TIME, $ms);
    }

    public function wake(object $owner): void
    {
        if ($owner instanceof Task && ($owner->waitsFor === Task::TIME || $owner->waitsFor === Task::STREAMS)) {
            $this->goOn($owner);
        }
    }

    public function select(array $read, array $write, float $waitMs): array
    {
        $task = $this->task();
        if ($task === null) {
            return Readiness::select($read, $write, $waitMs);
        }
        if ($task->answers !== []) {
            // Who asks again without taking them would never hear that its time is over.
            $this->assertGoesOn($task);

            return [[], []];
        }
        if ($read !== [] || $write !== []) {
            // One that PHP cannot wait for, as a descriptor above 1,023, is refused here: the loop could not go on with it.
            $found = Readiness::select($read, $write, 0.0);
            if ($found !== [[], []] && hrtime(true) - $this->resumedNs < self::SLICE_NS) {
                return $found;
            }
        }
        $this->suspend($task, Task::STREAMS, $waitMs, $read, $write);
        $found = $task->ready;
        $task->ready = [[], []];

        return $found;
    }

    public function call(string $message): int
    {
        return $this->nested->call($this->task() ?? throw new \LogicException('Nested calls can only be made in a call: there is none now.'), $message);
    }

    public function cancel(int $number): void
    {
        // A destructor that runs behind its call, or in a Fiber of the handler's, says so, too.
        if ($this->running !== null) {
            $this->nested->cancel($this->running, $number);
        }
    }

    public function answers(): array
    {
        $task = $this->running;
        if ($task === null) {
            return [];
        }
        $answers = $task->answers;
        $task->answers = [];

        return $answers;
    }

    public function owner(): ?object
    {
        return $this->running;
    }

    public function atEnd(callable $hook): void
    {
        if ($this->running === null) {
            throw new \LogicException('There is no call whose end could be waited for.');
        }
        $this->running->atEnd[] = $hook;
    }

    /** Until the reader of its stream has room. */
    public function forReader(Task $task): void
    {
        while ($task->paused) {
            $this->suspend($task, Task::RESUME, self::MAX_WAIT_MS);
        }
    }

    /** The others have a turn. */
    public function yield(Task $task): void
    {
        $this->suspend($task, Task::TIME, 0.0);
    }

    /** It waits for nothing any more. */
    private function leave(Task $task): void
    {
        $task->waitsFor = Task::NOTHING;
        if ($task->timerMs !== 0) {
            $this->timers->remove($task);
        }
        if ($task->watched !== []) {
            $this->streams->forget($task);
        }
    }

    /** The call whose own Fiber this is; null outside of calls. */
    private function task(): ?Task
    {
        if ($this->ends) {
            throw new Cancelled('This worker ends: nothing can be waited for.');
        }
        $task = $this->running;
        if ($task !== null && \Fiber::getCurrent() !== $task->fiber && !$task->dropped) {
            throw new \LogicException('A call of a concurrent worker waits in its own Fiber: in one that the handler started itself it cannot, for that would suspend the wrong one.');
        }

        return $task;
    }

    /**
     * @param array<array-key, resource> $read
     * @param array<array-key, resource> $write
     */
    private function suspend(Task $task, int $for, float $waitMs, array $read = [], array $write = []): void
    {
        $this->assertGoesOn($task);
        if (Printed::isHeld() && Buffers::areInCallback()) {
            throw new \LogicException('A call of a concurrent worker cannot wait in the callback of an output buffer, for PHP runs one at a time: wait before it, or behind it.');
        }
        if ($read !== [] || $write !== []) {
            $this->streams->watch($task, $read, $write);
        }
        ++$task->suspensions;
        $nowNs = hrtime(true);
        $nowMs = intdiv($nowNs, 1_000_000);
        // Whole milliseconds, and not too early: calls that are due at about the same time share one turn.
        $untilNs = min($nowNs + (int) (min($waitMs, self::MAX_WAIT_MS) * 1e6), $task->deadlineNs);
        $atMs = $waitMs <= 0 ? $nowMs : intdiv($untilNs + 999_999, 1_000_000);
        $task->waitsFor = $for;
        $this->timers->add($task, $atMs, $nowMs);
        try {
            \Fiber::suspend();
        } catch (\FiberError $impossible) {
            // In a destructor: PHP 8.1 to 8.3 suspend no Fiber there.
            $this->leave($task);

            throw $impossible;
        }
        $this->assertGoesOn($task);
    }

    /** A call that is over is told so where it waits. */
    private function assertGoesOn(Task $task): void
    {
        if ($task->cancelled || $task->dropped || hrtime(true) >= $task->deadlineNs) {
            Over::tell($task);
        }
    }
}
