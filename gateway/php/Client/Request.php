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
        $address = $this->options->address;
        $length = $this->body->length;
        $head = "POST {$address->prefix}{$this->path} HTTP/1.1\r\nHost: {$address->host}\r\nContent-Type: {$this->body->contentType}\r\n"
            . ($length === null ? 'Transfer-Encoding: chunked' : "Content-Length: $length") . "\r\n";
        foreach ($this->headers($leftMs) as $name => $value) {
            $head .= "$name: $value\r\n";
        }

        return "$head\r\n";
    }

    /** The same for a gateway that hears of it over the socket of this worker. It has a whole body. */
    public function message(float $leftMs): string
    {
        $head = ['path' => $this->path, 'headers' => ['content-type' => $this->body->contentType] + array_change_key_case($this->headers($leftMs))];

        return json_encode($head, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE) . "\n" . $this->body->bytes;
    }

    /** @return array<string, string> */
    private function headers(float $leftMs): array
    {
        $options = $this->options;
        $headers = ['fpm-gateway-protocol' => self::PROTOCOL, 'X-Request-Id' => $this->requestId];
        if ($leftMs !== INF) {
            $headers['X-Request-Timeout-Ms'] = (string) max(1, (int) $leftMs);
        }
        if ($options->traceparent !== null) {
            $headers['traceparent'] = $options->traceparent;
        }
        if ($options->caller !== null) {
            $headers['fpm-gateway-caller'] = $options->caller;
        }

        return $headers + $this->headers + $options->headers;
    }
}
