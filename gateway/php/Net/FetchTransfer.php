<?php

declare(strict_types=1);

namespace FpmGateway\Net;

use FpmGateway\Client\AnswerReader;
use FpmGateway\Client\CallFailed;
use FpmGateway\Client\Deadline;
use FpmGateway\Client\Head;
use FpmGateway\Client\Request;
use FpmGateway\Client\Transfer;
use FpmGateway\Fetched;

/**
 * A request to any HTTP server, whose answer is taken as it is.
 *
 * @internal
 */
final class FetchTransfer extends Transfer
{
    private string $body = '';
    private ?CallFailed $failure = null;

    /** @param string $requestHead request line and headers, to the empty line */
    public function __construct(
        Request $request,
        Deadline $deadline,
        private readonly string $method,
        private readonly string $requestHead,
        private readonly int $maxBytes,
    ) {
        parent::__construct($request, $deadline, false);
    }

    public function head(): string
    {
        return $this->requestHead;
    }

    public function reader(): AnswerReader
    {
        return AnswerReader::ofAnyServer($this->takeHead(...), $this->onBody(...), $this->method);
    }

    /** No gateway is there to say it better a little later. */
    public function endsAtMs(): float
    {
        return $this->deadline->atMs;
    }

    public function lateText(): string
    {
        return $this->isSent() ? 'the answer was not there when its time was over.' : 'its time was over before the request was written.';
    }

    public function isCounted(): bool
    {
        return false;
    }

    public function onBody(string $bytes): void
    {
        if (strlen($this->body) + strlen($bytes) > $this->maxBytes) {
            throw $this->tooLarge();
        }
        $this->body .= $bytes;
    }

    /** @throws CallFailed */
    public function fetched(): Fetched
    {
        $head = $this->head;
        if ($this->failure !== null || $head === null) {
            throw $this->failure ?? new \LogicException('A request ended without an answer.');
        }

        return new Fetched($head->status, $head->headers, $this->body);
    }

    protected function onHead(Head $head): void
    {
        if ($this->method !== 'HEAD' && (int) $head->header('content-length') > $this->maxBytes) {
            throw $this->tooLarge();
        }
    }

    protected function onEnd(): void
    {
    }

    protected function onFailure(CallFailed $failure): void
    {
        $this->failure = $failure;
    }

    private function tooLarge(): CallFailed
    {
        return $this->failure('response-too-large', sprintf('the answer is larger than maxBytes, %d: raise it, or ask for less.', $this->maxBytes));
    }
}
