<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

/**
 * Who waits until when. All of one millisecond lie in one bucket: a heap of tasks would cost a comparison of two of
 * them for each level, and could not forget one that was woken by something else.
 */
final class Timers
{
    /**
     * Longer waits share buckets of 16 ms, and of 256 ms above a minute: most are deadlines that nobody reaches. Those that
     * are reached are put to their millisecond then.
     */
    private const FINE_MS = 1024;
    private const MIDDLE_MS = 60_000;

    /** @var array<int, array<int, Task>> by millisecond, then by the task's number */
    private array $buckets = [];
    /** @var \SplMinHeap<int> of the buckets */
    private readonly \SplMinHeap $order;

    public function __construct()
    {
        $this->order = new \SplMinHeap();
    }

    public function add(Task $task, int $atMs, int $nowMs): void
    {
        $task->dueMs = $atMs;
        $waitMs = $atMs - $nowMs;
        if ($waitMs > self::FINE_MS) {
            $atMs &= $waitMs > self::MIDDLE_MS ? ~255 : ~15;
        }
        if (!isset($this->buckets[$atMs])) {
            $this->order->insert($atMs);
        }
        $this->buckets[$atMs][$task->number] = $task;
        $task->timerMs = $atMs;
    }

    public function remove(Task $task): void
    {
        // One that is empty by now stays until its time: it would else be in the heap twice.
        unset($this->buckets[$task->timerMs][$task->number]);
        $task->timerMs = 0;
    }

    /** When the first is due; null when there is none. */
    public function nextMs(): ?int
    {
        while (!$this->order->isEmpty()) {
            $atMs = $this->order->top();
            if ($this->buckets[$atMs] !== []) {
                return $atMs;
            }
            unset($this->buckets[$atMs]);
            $this->order->extract();
        }

        return null;
    }

    /**
     * Those that are due, the earliest first: they stay here until they are removed.
     *
     * @return array<int, Task> empty when none is
     */
    public function due(int $nowMs): array
    {
        while (($atMs = $this->nextMs()) !== null && $atMs <= $nowMs) {
            $due = $this->buckets[$atMs];
            foreach ($due as $number => $task) {
                if ($task->dueMs > $nowMs) {
                    unset($due[$number], $this->buckets[$atMs][$number]);
                    $this->add($task, $task->dueMs, $nowMs);
                }
            }
            if ($due !== []) {
                return $due;
            }
        }

        return [];
    }
}
