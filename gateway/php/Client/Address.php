<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * Where the gateway listens.
 *
 * @internal
 */
final class Address
{
    private const FORMS = 'use unix:/path/to.sock, http://host:port or https://host:port';

    /**
     * @param string $target for `stream_socket_client`
     * @param string $host   for the Host header
     * @param string $prefix in front of each path, for gateways in a folder of a proxy; '' or `/folder`
     * @param bool   $isName of several addresses, perhaps: not an IP address, and not a path
     */
    private function __construct(
        public readonly string $target,
        public readonly string $host,
        public readonly string $prefix,
        public readonly string $kind,
        public readonly bool $isName,
    ) {
    }

    /** @throws \InvalidArgumentException */
    public static function parse(string $address): self
    {
        if (str_starts_with($address, 'unix:')) {
            $path = preg_replace('~^//(?=/)~', '', substr($address, 5));

            return $path !== null && str_starts_with($path, '/')
                ? new self("unix://$path", 'localhost', '', 'unix', false)
                : throw new \InvalidArgumentException(sprintf('The path of the socket in "%s" is not absolute: %s.', $address, self::FORMS));
        }
        $parts = parse_url($address);
        $scheme = is_array($parts) ? strtolower($parts['scheme'] ?? '') : '';
        if (!is_array($parts) || !in_array($scheme, ['http', 'https'], true) || ($parts['host'] ?? '') === '' || preg_match('/[\s?#@]/', $address) === 1) {
            throw new \InvalidArgumentException(sprintf('"%s" is no address of a gateway: %s.', $address, self::FORMS));
        }
        if ($scheme === 'https' && !extension_loaded('openssl')) {
            throw new \InvalidArgumentException(sprintf('%s needs the PHP extension openssl, which is not loaded: install it, or use http:// or a unix socket.', $address));
        }
        $port = $parts['port'] ?? ($scheme === 'https' ? 443 : 80);

        return new self(
            "tcp://{$parts['host']}:$port",
            $parts['host'] . (isset($parts['port']) ? ":$port" : ''),
            rtrim($parts['path'] ?? '', '/'),
            $scheme,
            @inet_pton(trim($parts['host'], '[]')) === false,
        );
    }
}
