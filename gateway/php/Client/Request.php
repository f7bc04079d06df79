<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * One POST to the gateway.
 *
 * @internal
 */
final class Request
{
    public const PROTOCOL = '1';

    public readonly string $requestId;

    /** @param array<string, string> $headers of this request alone */
    public function __construct(
        private readonly Options $options,
        public readonly string $path,
        public readonly Body $body,
        private readonly array $headers,
    ) {
        $hex = bin2hex(random_bytes(16));
        $this->requestId = sprintf('%s-%s-4%s-a%s-%s', substr($hex, 0, 8), substr($hex, 8, 4), substr($hex, 13, 3), substr($hex, 17, 3), substr($hex, 20));
    }

    /** @throws \InvalidArgumentException */
    public static function pathOf(string $function): string
    {
        // One of several scripts of a contract has its file behind the name.
        if (preg_match('~^[a-z0-9][a-z0-9._-]*(?:/[^/\0-\x1f]+)*$~D', $function) !== 1) {
            throw new \InvalidArgumentException(sprintf('"%s" is no name of a function: they are made of a to z, 0 to 9, ".", "_" and "-".', addcslashes(substr($function, 0, 100), "\0..\37")));
        }

        return '/functions/' . implode('/', array_map(rawurlencode(...), explode('/', $function)));
    }

    /** @param float $leftMs what the gateway may take; INF: as long as the contract says */
    public function head(float $leftMs): string
    {
        $options = $this->options;
        $length = $this->body->length;
        $lines = [
            "POST {$options->address->prefix}{$this->path} HTTP/1.1",
            "Host: {$options->address->host}",
            "Content-Type: {$this->body->contentType}",
            $length === null ? 'Transfer-Encoding: chunked' : "Content-Length: $length",
            'fpm-gateway-protocol: ' . self::PROTOCOL,
            "X-Request-Id: $this->requestId",
        ];
        if ($leftMs !== INF) {
            $lines[] = 'X-Request-Timeout-Ms: ' . max(1, (int) $leftMs);
        }
        if ($options->traceparent !== null) {
            $lines[] = "traceparent: $options->traceparent";
        }
        if ($options->caller !== null) {
            $lines[] = "fpm-gateway-caller: $options->caller";
        }
        foreach ($this->headers + $options->headers as $name => $value) {
            $lines[] = "$name: $value";
        }

        return implode("\r\n", $lines) . "\r\n\r\n";
    }
}
