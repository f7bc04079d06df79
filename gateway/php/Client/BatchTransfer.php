<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\Binary;

/**
 * The results of a batch: one JSON line for each item, and one more where the batch as a whole broke off.
 *
 * @internal
 */
final class BatchTransfer extends PiecesTransfer
{
    private ?Lines $lines = null;
    private ?CallFailed $brokeOff = null;

    public function __construct(Request $request, Deadline $deadline, int $maxBytes, private readonly BatchItems $items)
    {
        parent::__construct($request, $deadline, $maxBytes);
    }

    /** Items run while others are still sent: what is known of a request as a whole does not hold for them. */
    public function executed(): string
    {
        return $this->items->count() === 0 ? 'no' : 'unknown';
    }

    protected function onSuccess(Head $head): void
    {
        $this->lines = new Lines($this->maxBytes);
        if ($head->mediaType() !== 'application/x-ndjson') {
            throw $this->failure('bad-answer', sprintf('The answer to a batch is application/x-ndjson, and this one is "%s".', $head->mediaType()));
        }
    }

    protected function onPiece(string $bytes): void
    {
        foreach ($this->lines?->of($bytes) ?? [] as $line) {
            $this->take($line);
        }
    }

    protected function onWhole(): void
    {
        $rest = $this->lines?->rest() ?? '';
        if ($rest !== '') {
            $this->take($rest);
        }
        if ($this->brokeOff !== null) {
            throw $this->brokeOff;
        }
        if ($this->items->missing() > 0 || !$this->isSent()) {
            throw $this->failure('bad-answer', sprintf(
                'The answer of the batch ended with %d results missing%s.',
                $this->items->missing(),
                $this->isSent() ? '' : ', while items were still sent',
            ));
        }
    }

    private function take(string $line): void
    {
        if ($line === '') {
            return;
        }
        $said = json_decode($line, true);
        if (!is_array($said) || !is_string($said['status'] ?? null)) {
            throw $this->failure('bad-answer', 'A line of the answer is no result of a batch.');
        }
        $index = $said['index'] ?? null;
        if ($index === null) {
            $this->brokeOff = $this->problem($said);

            return;
        }
        $key = is_int($index) ? $this->items->take($index) : null;
        if ($key === null) {
            throw $this->failure('bad-answer', 'A line of the answer belongs to no item, or to one that has its result already.');
        }
        $traceId = is_string($said['traceId'] ?? null) ? $said['traceId'] : $this->head?->header('trace-id') ?? '';
        $failure = $said['status'] === 'succeeded' ? null : $this->problem($said);
        $this->push([$key[0], new Result($failure === null ? self::output($said) : null, $failure, $this->request->requestId, $traceId)]);
    }

    /** @param array<mixed> $said */
    private static function output(array $said): mixed
    {
        $output = $said['output'] ?? null;
        if (($said['encoding'] ?? null) !== 'base64' || !is_array($output)) {
            return $output;
        }

        return new Binary((string) base64_decode((string) ($output['base64'] ?? ''), true), (string) ($output['mediaType'] ?? ''));
    }

    /** @param array<mixed> $said */
    private function problem(array $said): CallFailed
    {
        $problem = is_array($said['error'] ?? null) ? $said['error'] : [];
        // The line knows of all attempts.
        $problem['executed'] = $said['executed'] ?? $problem['executed'] ?? 'unknown';

        return CallFailed::fromProblem(
            $problem,
            is_int($problem['status'] ?? null) ? $problem['status'] : 0,
            $this->head?->header('trace-id') ?? '',
            $this->request->requestId,
        );
    }
}
