<?php

declare(strict_types=1);

namespace FpmGateway;

/**
 * A failure the contract declares. Callers receive its code and data typed; any other exception reaches them
 * as `function-error` without its message.
 */
final class Failure extends \RuntimeException
{
    /**
     * @param string $failureCode a key of `errors` in the contract
     * @param mixed  $data        what the contract's schema for that key describes
     */
    public function __construct(
        public readonly string $failureCode,
        public readonly mixed $data = null,
        string $message = '',
        ?\Throwable $previous = null,
    ) {
        parent::__construct($message === '' ? $failureCode : $message, 0, $previous);
    }
}
