<?php

declare(strict_types=1);

namespace FpmGateway\Net;

/**
 * Where `$call->fetch()` goes.
 *
 * @internal
 */
final class Url
{
    private function __construct(
        public readonly bool $isSecure,
        public readonly string $host,
        public readonly int $port,
        public readonly string $path,
        private readonly bool $hasPort,
    ) {
    }

    /** @throws \InvalidArgumentException */
    public static function parse(string $url): self
    {
        $parts = parse_url($url);
        $scheme = is_array($parts) ? strtolower($parts['scheme'] ?? '') : '';
        if (!is_array($parts) || !in_array($scheme, ['http', 'https'], true) || ($parts['host'] ?? '') === '' || preg_match('/[\0-\x20\x7f]/', $url) === 1) {
            throw new \InvalidArgumentException(sprintf('"%s" is no URL that can be fetched: use http://host[:port]/path or https://…, with what is special in it encoded.', addcslashes(substr($url, 0, 200), "\0..\37\177")));
        }
        if (isset($parts['user']) || isset($parts['pass'])) {
            throw new \InvalidArgumentException(sprintf('The URL of %s has a login in it: put it into a header, as Authorization.', $parts['host']));
        }
        if ($scheme === 'https' && !extension_loaded('openssl')) {
            throw new \InvalidArgumentException(sprintf('https://%s needs the PHP extension openssl, which is not loaded.', $parts['host']));
        }
        $path = ($parts['path'] ?? '/') . (isset($parts['query']) ? "?$parts[query]" : '');

        return new self($scheme === 'https', $parts['host'], $parts['port'] ?? ($scheme === 'https' ? 443 : 80), $path, isset($parts['port']));
    }

    /** As the Host header has it. */
    public function authority(): string
    {
        return $this->host . ($this->hasPort ? ":$this->port" : '');
    }
}
