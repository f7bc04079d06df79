<?php

declare(strict_types=1);

namespace FpmGateway;

/** What a server answered to `$call->fetch()`, whatever its status. */
final class Fetched
{
    /** @param array<string, string> $headers by name in lower case; several of one name are joined by commas */
    public function __construct(
        public readonly int $status,
        public readonly array $headers,
        public readonly string $body,
    ) {
    }

    /** The body, decoded. @throws \JsonException */
    public function json(): mixed
    {
        return json_decode($this->body, true, 512, JSON_THROW_ON_ERROR);
    }
}
