<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Fork;
use FpmGateway\Resident\Pieces;

use function hrtime;

/** The pieces of a call's stream. A slow reader, or a handler that yields without end, holds up nobody else. */
final class Frames implements Pieces
{
    /** So long a stream goes on before the others have a turn. */
    private const SLICE_NS = 5_000_000;

    public function __construct(
        private readonly Task $task,
        private readonly Waiting $waiting,
        private readonly Output $output,
        private readonly int $pid,
    ) {
    }

    public function begin(string $id): void
    {
        // What a handler forked has a copy of what is to be written.
        Fork::endIn($this->pid);
        $this->task->reply->beginStream($id);
    }

    public function send(string $id, string $type, string $piece): void
    {
        Fork::endIn($this->pid);
        if ($this->task->paused) {
            $this->waiting->forReader($this->task);
        }
        $this->task->reply->frame($id, $type, $piece);
        if ($this->output->isMuch() || hrtime(true) - $this->waiting->resumedNs > self::SLICE_NS) {
            $this->waiting->yield($this->task);
        }
    }
}
