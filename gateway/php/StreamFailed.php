<?php

declare(strict_types=1);

namespace FpmGateway;

/** `$call->fetch()`, `connect()`, `read()` or `write()` came to no end: the message says which, with whom, and why. */
final class StreamFailed extends \RuntimeException
{
    /** @param bool $isLate its time was over */
    public function __construct(string $message, public readonly bool $isLate, ?\Throwable $previous = null)
    {
        parent::__construct($message, 0, $previous);
    }
}
