<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * What a function streams: Server-Sent Events, which tell the end of items from a cut, or bytes.
 *
 * @internal
 */
final class StreamTransfer extends PiecesTransfer
{
    private bool $isBytes = false;
    private bool $hasEnded = false;
    private string $event = '';
    /** @var list<string> */
    private array $data = [];
    private int $dataBytes = 0;
    private ?Lines $lines = null;

    protected function onSuccess(Head $head): void
    {
        $this->isBytes = $head->mediaType() !== 'text/event-stream';
        $this->lines = new Lines($this->maxBytes);
        // A whole answer has a length, a stream has none.
        if ($this->isBytes && $head->header('content-length') !== '' && $head->mediaType() === 'application/json' && !Answer::isBytes($head)) {
            throw $this->failure('bad-answer', 'The function does not stream, it answers whole: use invoke() or send().');
        }
    }

    protected function onPiece(string $bytes): void
    {
        if ($this->isBytes || $this->lines === null) {
            $this->push($bytes);

            return;
        }
        foreach ($this->lines->of($bytes) as $line) {
            if ($line === '') {
                $this->dispatch();
            } elseif ($line[0] !== ':') {
                [$field, $value] = explode(':', $line, 2) + [1 => ''];
                $this->take($field, str_starts_with($value, ' ') ? substr($value, 1) : $value);
            }
        }
    }

    protected function onWhole(): void
    {
        if (!$this->isBytes && !$this->hasEnded) {
            throw $this->failure('network-failed', 'The stream was cut off: it came to no end of its own.');
        }
    }

    private function take(string $field, string $value): void
    {
        if ($field === 'event') {
            $this->event = $value;
        } elseif ($field === 'data') {
            $this->data[] = $value;
            $this->dataBytes += strlen($value);
            if ($this->dataBytes > $this->maxBytes) {
                throw new \OverflowException(sprintf('an item is larger than maxResponseBytes, %d', $this->maxBytes));
            }
        }
    }

    /** An event is whole. */
    private function dispatch(): void
    {
        [$event, $data] = [$this->event, $this->data];
        [$this->event, $this->data, $this->dataBytes] = ['', [], 0];
        if ($event === 'end') {
            $this->hasEnded = true;

            return;
        }
        if ($data === []) {
            return;
        }
        try {
            $value = json_decode(implode("\n", $data), true, 512, JSON_THROW_ON_ERROR);
        } catch (\JsonException $malformed) {
            throw $this->failure('bad-answer', sprintf('An item of the stream is no JSON: %s.', $malformed->getMessage()), $malformed);
        }
        if ($event === 'error') {
            $head = $this->head;
            $status = is_array($value) && is_int($value['status'] ?? null) ? $value['status'] : $head?->status ?? 0;

            throw CallFailed::fromProblem(is_array($value) ? $value : [], $status, $head?->header('trace-id') ?? '', $this->request->requestId);
        }
        $this->push($value);
    }
}
