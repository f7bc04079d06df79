<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/** A call without a result: what the gateway says of it, or what kept the client from hearing that. */
final class CallFailed extends \RuntimeException
{
    /**
     * @param string                     $failureCode a code of docs/errors.md, one the function's contract declares, or
     *                                                one of the client's own: see docs/php-client.md
     * @param int                        $status      of the HTTP answer; 0: there was none
     * @param string                     $executed    whether the function's code ran: `no`, `unknown` or `yes`
     * @param bool                       $retryable   the same call may succeed later, and did not run
     * @param list<array<string, mixed>> $errors      broken rules of the input, each with a JSON Pointer
     * @param mixed                      $data        of a declared error
     * @param string                     $traceId     '' where it is unknown
     */
    public function __construct(
        public readonly string $failureCode,
        public readonly string $detail,
        public readonly int $status = 0,
        public readonly string $executed = 'unknown',
        public readonly bool $retryable = false,
        public readonly array $errors = [],
        public readonly mixed $data = null,
        public readonly string $traceId = '',
        public readonly string $requestId = '',
        ?\Throwable $previous = null,
    ) {
        parent::__construct("$failureCode: $detail", $status, $previous);
    }

    /** @internal the same, where it may have run all the same */
    public function unproved(): self
    {
        return new self($this->failureCode, $this->detail, $this->status, 'unknown', false, $this->errors, $this->data, $this->traceId, $this->requestId, $this->getPrevious());
    }

    /**
     * @internal
     *
     * @param array<mixed> $problem as in docs/errors.md
     */
    public static function fromProblem(array $problem, int $status, string $traceId, string $requestId): self
    {
        $text = static fn (string $name, string $else): string => is_string($problem[$name] ?? null) ? $problem[$name] : $else;
        $errors = $problem['errors'] ?? null;

        return new self(
            $text('code', 'bad-answer'),
            $text('detail', $text('title', 'The gateway gives no reason.')),
            $status,
            in_array($problem['executed'] ?? null, ['no', 'yes'], true) ? $problem['executed'] : 'unknown',
            ($problem['retryable'] ?? false) === true,
            is_array($errors) ? array_values(array_filter($errors, is_array(...))) : [],
            $problem['data'] ?? null,
            $text('traceId', $traceId),
            $requestId,
        );
    }
}
