<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * Status and headers of an answer.
 *
 * @internal
 */
final class Head
{
    /** @param array<string, string> $headers by name in lower case; several of one name are joined by commas */
    public function __construct(
        public readonly int $status,
        public readonly bool $isHttp11,
        public readonly array $headers,
    ) {
    }

    /** '' where there is none. */
    public function header(string $name): string
    {
        return $this->headers[$name] ?? '';
    }

    public function isSuccess(): bool
    {
        return $this->status >= 200 && $this->status < 300;
    }

    /** Without parameters, in lower case. */
    public function mediaType(): string
    {
        return strtolower(trim(explode(';', $this->header('content-type'))[0]));
    }
}
