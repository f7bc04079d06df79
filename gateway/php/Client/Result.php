<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/** What became of a call. */
final class Result
{
    /**
     * @internal
     *
     * @param CallFailed|null $failure null: it went well
     * @param string          $traceId '' where it is unknown
     */
    public function __construct(
        private readonly mixed $value,
        public readonly ?CallFailed $failure,
        public readonly string $requestId,
        public readonly string $traceId,
    ) {
    }

    /** Decoded JSON, or a `Binary`. @throws CallFailed */
    public function get(): mixed
    {
        return $this->failure === null ? $this->value : throw $this->failure;
    }
}
