<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\Pooling\Place;

/**
 * One request and what comes back, however many connections it takes.
 *
 * @internal
 */
abstract class Transfer
{
    /** For the gateway's own word on a late call: it knows more of it than the client. */
    private const GRACE_MS = 250.0;

    /** How long the gateway has taken no connection for it. */
    public ?float $refusedSinceMs = null;
    /** Among the sockets of this worker, or in line for one. */
    public ?Place $place = null;
    protected ?Head $head = null;
    /** All of the request is with the system. The gateway runs nothing of one that is not whole. */
    private bool $isSent = false;
    private bool $isAnswered = false;
    private bool $hasMoved = false;
    /** It was sent over a connection that died: what a later one says of itself proves nothing of that. */
    private bool $mayHaveRun = false;
    private bool $isOver = false;

    public function __construct(
        public readonly Request $request,
        public readonly Deadline $deadline,
        private readonly bool $idempotent,
    ) {
    }

    /** @throws CallFailed to hear no more of it */
    abstract protected function onHead(Head $head): void;

    /** @throws CallFailed to hear no more of it */
    abstract public function onBody(string $bytes): void;

    /** The whole answer is there. @throws CallFailed where it is a failure */
    abstract protected function onEnd(): void;

    abstract protected function onFailure(CallFailed $failure): void;

    /** Of those calls of which there are never more than `concurrency` at once. */
    abstract public function isCounted(): bool;

    /** How long to wait before it is tried again; null: not again. */
    public function retryAfterMs(CallFailed $failure): ?float
    {
        return null;
    }

    /** False: nobody has taken what came last. */
    public function wantsAnswer(): bool
    {
        return true;
    }

    public function head(): string
    {
        return $this->request->head($this->deadline->leftMs());
    }

    public function reader(): AnswerReader
    {
        return new AnswerReader($this->takeHead(...), $this->onBody(...));
    }

    /** When the client itself gives up. */
    public function endsAtMs(): float
    {
        return $this->deadline->atMs + ($this->isSent ? self::GRACE_MS : 0.0);
    }

    /** Said of it where it has come to its time limit. */
    public function lateText(): string
    {
        return $this->isSent
            ? 'The gateway had not answered when the time of the call was over.'
            : 'The time of the call was over before its request was written.';
    }

    /** On another connection, from its start. */
    public function begin(): void
    {
        $this->isSent = $this->isAnswered = false;
        $this->head = null;
    }

    public function sent(): void
    {
        $this->isSent = true;
    }

    public function isSent(): bool
    {
        return $this->isSent;
    }

    public function answered(): void
    {
        $this->isAnswered = true;
    }

    public function takeHead(Head $head): void
    {
        $this->head = $head;
        $this->onHead($head);
    }

    /** A kept connection was dead: whether this may go over another one. Once, and not where it may be running. */
    public function mayMove(): bool
    {
        if ($this->hasMoved || $this->isAnswered || !$this->request->body->canBegin() || ($this->isSent && !$this->idempotent)) {
            return false;
        }

        $this->mayHaveRun = $this->isSent;

        return $this->hasMoved = true;
    }

    /** What is known of it while no answer has come to its end. */
    public function executed(): string
    {
        return match (true) {
            $this->head?->isSuccess() === true && $this->isSent => 'yes',
            !$this->isSent && !$this->mayHaveRun => 'no',
            default => 'unknown',
        };
    }

    public function failure(string $code, string $detail, ?\Throwable $previous = null): CallFailed
    {
        $executed = $this->executed();

        return new CallFailed(
            $code,
            $detail,
            status: $this->head?->status ?? 0,
            executed: $executed,
            retryable: $executed === 'no' && in_array($code, ['network-failed', 'client-timeout'], true),
            traceId: $this->head?->header('trace-id') ?? '',
            requestId: $this->request->requestId,
            previous: $previous,
        );
    }

    /** The failure of one sending, as one of all of them. */
    public function ofAll(CallFailed $failure): CallFailed
    {
        return $this->mayHaveRun && $failure->executed === 'no' ? $failure->unproved() : $failure;
    }

    /** @throws CallFailed */
    public function end(): void
    {
        $this->onEnd();
        $this->isOver = true;
    }

    public function fail(CallFailed $failure): void
    {
        if (!$this->isOver) {
            $this->isOver = true;
            $this->place = null;
            $this->onFailure($failure);
        }
    }

    public function isOver(): bool
    {
        return $this->isOver;
    }
}
