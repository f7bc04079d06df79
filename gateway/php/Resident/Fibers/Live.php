<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Malformed;

use function count;
use function ord;
use function strlen;
use function substr;
use function unpack;

/** The calls that have begun and not ended, and what the gateway says of them while they run. */
final class Live
{
    /** @var array<array-key, Task> by the request's id */
    public array $tasks = [];
    /** @var array<int, Task> who made each nested call that is not answered */
    private array $callers = [];
    /** @var array<int, string> the pieces of its answer, so far */
    private array $pieces = [];
    private int $lastNumber = 0;

    /** @param \Closure(Task): void $wake the call may find something new */
    public function __construct(private readonly \Closure $wake)
    {
    }

    public function add(Task $task): void
    {
        $this->tasks[$task->request->id] = $task;
    }

    public function remove(Task $task): void
    {
        unset($this->tasks[$task->request->id]);
        foreach ($task->nested as $number => $_) {
            unset($this->callers[$number], $this->pieces[$number]);
        }
        $task->nested = $task->answers = [];
    }

    public function count(): int
    {
        return count($this->tasks);
    }

    public function has(string $id): bool
    {
        return isset($this->tasks[$id]);
    }

    /** The number of a new nested call. */
    public function call(Task $task): int
    {
        $number = ++$this->lastNumber;
        $this->callers[$number] = $task;
        $task->nested[$number] = true;

        return $number;
    }

    /** False where it has its answer, or is not this call's. */
    public function cancel(Task $task, int $number): bool
    {
        if (!isset($task->nested[$number])) {
            return false;
        }
        unset($task->nested[$number], $task->answers[$number], $this->callers[$number], $this->pieces[$number]);

        return true;
    }

    /** ABORT_REQUEST. */
    public function abort(string $id): void
    {
        if (isset($this->tasks[$id])) {
            $this->tasks[$id]->cancelled = true;
            ($this->wake)($this->tasks[$id]);
        }
    }

    /** PAUSE and RESUME. Those of others crossed their end on the way. */
    public function pause(string $id, bool $paused): void
    {
        $task = $this->tasks[$id] ?? null;
        if ($task === null) {
            return;
        }
        $task->paused = $paused;
        if (!$paused && $task->waitsFor === Task::RESUME) {
            ($this->wake)($task);
        }
    }

    /** ANSWER: a piece of it. Of one that was taken back none is wanted. */
    public function answer(string $id, string $content): void
    {
        if (strlen($content) < 5) {
            throw new Malformed('a FastCGI ANSWER without number and flags');
        }
        $number = unpack('N', $content)[1];
        if ($number === 0 || $number > $this->lastNumber) {
            throw new Malformed(sprintf('a FastCGI ANSWER to %d, where the last call has the number %d', $number, $this->lastNumber));
        }
        $task = $this->callers[$number] ?? null;
        if ($task === null) {
            return;
        }
        if ($task->request->id !== $id) {
            throw new Malformed(sprintf('a FastCGI ANSWER to %d with the id of another request', $number));
        }
        if (isset($this->pieces[$number])) {
            // In place: put together anew, each piece would cost a copy of all before it, 1.8 s for 16 MB.
            $this->pieces[$number] .= substr($content, 5);
        } else {
            $this->pieces[$number] = substr($content, 5);
        }
        if ((ord($content[4]) & 1) === 0) {
            return;
        }
        $task->answers[$number] = $this->pieces[$number];
        unset($this->callers[$number], $this->pieces[$number], $task->nested[$number]);
        if ($task->waitsFor === Task::STREAMS) {
            ($this->wake)($task);
        }
    }
}
