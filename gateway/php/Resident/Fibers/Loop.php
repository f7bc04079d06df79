<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Connection;
use FpmGateway\Resident\Priming;
use FpmGateway\Resident\Reply;
use FpmGateway\Resident\Request;
use FpmGateway\Resident\Requests;
use FpmGateway\Resident\Signals;

use function explode;
use function hrtime;
use function intdiv;
use function max;

/**
 * Turn by turn: what the gateway sent is read, calls that are due go on, new ones begin, and what all of them said is
 * written at once. A turn takes some milliseconds at most, whatever is due, unless a call does not wait for so long.
 */
final class Loop
{
    private const TURN_NS = 3_000_000;
    private const MAX_READS = 8;
    /** Who always has something to do asks now and then whether the gateway is still there. */
    private const LOOK_NS = 100_000_000;

    private int $lookedNs = 0;
    private int $nowNs = 0;

    /** @param \Closure(Signals|null): void $loaded when the priming has loaded the application */
    public function __construct(
        private readonly Connection $connection,
        private readonly Requests $requests,
        private readonly Waiting $waiting,
        private readonly Calls $calls,
        private readonly Memory $memory,
        private readonly Slices $slices,
        private readonly Answers $answers,
        private readonly Output $output,
        private readonly Priming $priming,
        private readonly \Closure $loaded,
    ) {
    }

    /** False when the worker is to end. */
    public function turn(): bool
    {
        if (!$this->read()) {
            return false;
        }
        if ($this->requests->replies !== '') {
            $this->output->write($this->requests->replies);
            $this->requests->replies = '';
        }
        $nowMs = intdiv($this->nowNs, 1_000_000);
        while (($due = $this->waiting->timers->due($nowMs)) !== []) {
            foreach ($due as $task) {
                $this->waiting->goOn($task);
            }
        }

        return $this->work($this->nowNs + self::TURN_NS) && $this->output->flush();
    }

    /** Those in line and new ones by turns: neither keeps the other waiting. Who gets in line meanwhile has the next turn. */
    private function work(int $untilNs): bool
    {
        $line = $this->waiting->line;
        $left = $line->count();
        foreach ($this->requests->queue as $id => $request) {
            unset($this->requests->queue[$id]);
            if (!$this->begin($request)) {
                return false;
            }
            if ($left > 0) {
                --$left;
                if (!$this->goOn($line->dequeue())) {
                    return false;
                }
            }
            if ($this->slices->endedNs > $untilNs) {
                return true;
            }
        }
        for (; $left > 0 && $this->slices->endedNs <= $untilNs; --$left) {
            if (!$this->goOn($line->dequeue())) {
                return false;
            }
        }

        return true;
    }

    private function begin(Request $request): bool
    {
        if (str_starts_with($request->call, 'prime')) {
            $parts = explode(' ', $request->call, 3);
            // A function may have this name: its calls say more.
            if ($parts[0] === 'prime' && !isset($parts[2])) {
                return $this->prime($request, $parts[1] ?? '');
            }
        }
        $task = $this->calls->begin($request);
        if ($task === null) {
            return true;
        }
        $this->slices->run($task);
        $this->memory->began($task->function);

        return $this->ran($task);
    }

    private function goOn(Task $task): bool
    {
        $this->slices->run($task);

        return $this->ran($task);
    }

    private function ran(Task $task): bool
    {
        if ($task->ended) {
            $sent = $this->answers->end($task);
            $this->calls->end($task);
            if (!$sent) {
                return false;
            }
        }

        // As of streams: what all of them say in a turn may be much.
        return !$this->output->isMuch() || $this->output->flush();
    }

    private function prime(Request $request, string $attemptId): bool
    {
        $task = new Task(0, $request, null, '', $attemptId, hrtime(true), 0, new Reply($this->output));
        $good = true;
        $this->answers->task = $task;
        $task->meta = $this->priming->run($this->loaded, $task->payload, $good);
        $sent = $this->answers->prime($task);
        $this->answers->task = null;

        if (!$good) {
            $this->output->flush();
        }

        return $sent && $good;
    }

    /** Waits only when there is nothing to do. False at the end of the connection. */
    private function read(): bool
    {
        $isBusy = !$this->waiting->line->isEmpty() || $this->requests->queue !== [];
        $bytes = $this->waiting->streams->areWatched() ? $this->select($isBusy) : $this->receive($isBusy);
        for ($reads = 1; $bytes !== '' && $bytes !== null; ++$reads) {
            $this->requests->push($bytes);
            // A file that keeps coming keeps nobody waiting.
            $bytes = $reads < self::MAX_READS && $this->connection->wasFull($bytes) ? $this->connection->look() : '';
        }
        $this->nowNs = hrtime(true);
        if ($bytes === null || ($isBusy && $this->isGatewayGone())) {
            return false;
        }

        return true;
    }

    private function receive(bool $isBusy): ?string
    {
        if ($isBusy) {
            return $this->connection->look();
        }
        $waitMs = $this->waitMs();

        return $waitMs === null ? $this->connection->read() : $this->connection->readWithin($waitMs);
    }

    /** The same, where calls wait for streams: they get in line here. */
    private function select(bool $isBusy): ?string
    {
        $came = false;
        foreach ($this->waiting->streams->select($this->connection->socket(), $isBusy ? 0 : $this->waitMs(), $came) as $task) {
            $this->waiting->goOn($task);
        }

        return $came ? $this->connection->readWithin(0) : '';
    }

    /** Until the first is due; null when nobody waits. */
    private function waitMs(): ?int
    {
        $nextMs = $this->waiting->timers->nextMs();

        return $nextMs === null ? null : max(0, $nextMs - intdiv(hrtime(true), 1_000_000));
    }

    private function isGatewayGone(): bool
    {
        if ($this->nowNs - $this->lookedNs < self::LOOK_NS) {
            return false;
        }
        $this->lookedNs = $this->nowNs;

        return $this->connection->hasEnded();
    }
}
