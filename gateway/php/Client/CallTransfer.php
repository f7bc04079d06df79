<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * A call whose result is wanted whole.
 *
 * @internal
 */
final class CallTransfer extends Transfer
{
    private const RETRY_BASE_MS = 50.0;
    private const RETRY_MAX_MS = 2_000.0;
    /** A gateway that asks for more is not back soon: its caller decides. */
    private const RETRY_AFTER_MAX_S = 30;

    private string $body = '';
    private int $attempt = 1;
    private ?Result $result = null;

    /**
     * @param \Closure(Result): void $onResult
     * @param bool                   $isFired  its result goes to nobody
     */
    public function __construct(
        Request $request,
        Deadline $deadline,
        bool $idempotent,
        private readonly int $attempts,
        private readonly int $maxBytes,
        private readonly bool $isFired,
        private readonly \Closure $onResult,
    ) {
        parent::__construct($request, $deadline, $idempotent);
    }

    public function result(): ?Result
    {
        return $this->result;
    }

    public function isCounted(): bool
    {
        return !$this->isFired;
    }

    public function begin(): void
    {
        parent::begin();
        $this->body = '';
    }

    public function onBody(string $bytes): void
    {
        if ($this->isFired) {
            return;
        }
        if (strlen($this->body) + strlen($bytes) > $this->maxBytes) {
            throw $this->tooLarge();
        }
        $this->body .= $bytes;
    }

    /** Full jitter, so that those who were refused together do not come back together. */
    public function retryAfterMs(CallFailed $failure): ?float
    {
        if ($failure->executed !== 'no' || !$failure->retryable || $this->attempt >= $this->attempts || !$this->request->body->canBegin()) {
            return null;
        }
        $mostMs = min(self::RETRY_MAX_MS, self::RETRY_BASE_MS * 2 ** min(10, $this->attempt - 1));
        $said = $this->head?->header('retry-after') ?? '';
        $seconds = preg_match('/^\d+$/D', $said) === 1 ? (int) $said : 0;
        $waitMs = $seconds * 1000 + $mostMs * mt_rand() / mt_getrandmax();
        if ($seconds > self::RETRY_AFTER_MAX_S || $waitMs >= $this->deadline->leftMs()) {
            return null;
        }
        ++$this->attempt;

        return $waitMs;
    }

    protected function onHead(Head $head): void
    {
        Answer::assertCompatible($this, $head);
        if (!$this->isFired && (int) $head->header('content-length') > $this->maxBytes) {
            throw $this->tooLarge();
        }
    }

    protected function onEnd(): void
    {
        if ($this->head !== null) {
            $value = $this->isFired ? null : Answer::value($this, $this->head, $this->body);
            $this->finish(new Result($value, null, $this->request->requestId, $this->head->header('trace-id')));
        }
    }

    protected function onFailure(CallFailed $failure): void
    {
        $this->finish(new Result(null, $failure, $this->request->requestId, $failure->traceId));
    }

    private function finish(Result $result): void
    {
        $this->result = $result;
        $this->body = '';
        ($this->onResult)($result);
    }

    private function tooLarge(): CallFailed
    {
        return $this->failure('response-too-large', sprintf('The answer is larger than maxResponseBytes, %d: return less, raise it, or read a stream.', $this->maxBytes));
    }
}
