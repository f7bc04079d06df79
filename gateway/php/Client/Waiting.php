<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * Requests that have not begun: for want of a place, or because they are to be tried again later.
 *
 * @internal
 */
final class Waiting
{
    /** @var \SplQueue<Transfer> */
    private \SplQueue $queue;
    /** The earliest end of those in the queue: they need not be looked at before. */
    private float $queueEndsAtMs = INF;
    /** @var array<int, array{Transfer, float}> and when they begin */
    private array $delayed = [];

    public function __construct()
    {
        $this->queue = new \SplQueue();
    }

    public function add(Transfer $transfer): void
    {
        $this->queue->enqueue($transfer);
        $this->queueEndsAtMs = min($this->queueEndsAtMs, $transfer->endsAtMs());
    }

    public function addLater(Transfer $transfer, float $delayMs): void
    {
        $this->delayed[] = [$transfer, Deadline::nowMs() + $delayMs];
    }

    /** It begins by itself, and not for want of a place. */
    public function isDelayed(Transfer $transfer): bool
    {
        return in_array($transfer, array_column($this->delayed, 0), true);
    }

    /** The next that may begin, if any; `$hasPlace` for one that is counted. */
    public function take(bool $hasPlace): ?Transfer
    {
        $nowMs = Deadline::nowMs();
        foreach ($this->delayed as $key => [$transfer, $atMs]) {
            if ($atMs <= $nowMs && ($hasPlace || !$transfer->isCounted())) {
                unset($this->delayed[$key]);

                return $transfer;
            }
        }

        return $hasPlace && !$this->queue->isEmpty() ? $this->queue->dequeue() : null;
    }

    /** When one of them must be looked at. */
    public function nextMs(bool $hasPlace): float
    {
        $nowMs = Deadline::nowMs();
        // A callback that cancels calls makes places when the queue has been looked at already.
        $nextMs = $hasPlace && !$this->queue->isEmpty() ? $nowMs : $this->queueEndsAtMs;
        foreach ($this->delayed as [$transfer, $atMs]) {
            // Behind its time it waits for a place.
            $nextMs = min($nextMs, $transfer->endsAtMs(), $atMs > $nowMs || $hasPlace ? $atMs : INF);
        }

        return $nextMs;
    }

    /** @return list<Transfer> taken out, as their time is over */
    public function takeLate(): array
    {
        $nowMs = Deadline::nowMs();
        $late = [];
        foreach ($this->delayed as $key => [$transfer]) {
            if ($transfer->endsAtMs() <= $nowMs) {
                unset($this->delayed[$key]);
                $late[] = $transfer;
            }
        }
        if ($this->queueEndsAtMs > $nowMs) {
            return $late;
        }
        [$queue, $this->queue, $this->queueEndsAtMs] = [$this->queue, new \SplQueue(), INF];
        foreach ($queue as $transfer) {
            if ($transfer->endsAtMs() <= $nowMs) {
                $late[] = $transfer;
            } else {
                $this->add($transfer);
            }
        }

        return $late;
    }

    /** @return list<Transfer> */
    public function takeAll(): array
    {
        $all = [...$this->queue, ...array_column($this->delayed, 0)];
        $this->queue = new \SplQueue();
        [$this->delayed, $this->queueEndsAtMs] = [[], INF];

        return $all;
    }
}
