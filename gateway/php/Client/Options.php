<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * What a client was made with.
 *
 * @internal
 */
final class Options
{
    /** `stream_select` fails at descriptor 1,024, and the application has files and sockets of its own. */
    public const MAX_CONCURRENCY = 256;

    private const CONNECT_MAX_MS = 600_000;
    private const OWN_HEADERS = [
        'host', 'content-type', 'content-length', 'transfer-encoding', 'connection', 'accept', 'accept-encoding', 'expect',
        'x-request-id', 'x-request-timeout-ms', 'traceparent', 'fpm-gateway-protocol', 'fpm-gateway-caller', 'on-disconnect',
    ];

    /**
     * @param int                   $timeoutMs   of a call that names none; 0: none
     * @param array<string, string> $headers     sent with every request
     * @param string|null           $traceparent W3C trace context that calls join
     * @param string|null           $caller      `<call id> <path>` inside a call
     * @param Deadline              $deadline    no call outlives it
     * @param array<string, mixed>  $tls         options of PHP's `ssl` stream context
     *
     * @throws \InvalidArgumentException
     */
    public function __construct(
        public readonly Address $address,
        public readonly int $timeoutMs,
        public readonly int $connectTimeoutMs,
        public readonly int $concurrency,
        public readonly int $attempts,
        public readonly int $maxResponseBytes,
        public readonly array $headers,
        public readonly array $tls,
        public readonly ?string $traceparent,
        public readonly ?string $caller,
        public readonly Deadline $deadline,
    ) {
        self::assertWithin('timeoutMs', $timeoutMs, 0, 86_400_000);
        self::assertWithin('connectTimeoutMs', $connectTimeoutMs, 1, self::CONNECT_MAX_MS);
        self::assertWithin('attempts', $attempts, 1, 100);
        self::assertWithin('maxResponseBytes', $maxResponseBytes, 1, PHP_INT_MAX);
        self::assertWithin(
            'concurrency',
            $concurrency,
            1,
            self::MAX_CONCURRENCY,
            ': PHP can wait for descriptors below 1,024 only, and the application needs some, too. More calls than that wait in the client, or go into one batch()',
        );
        foreach ($headers as $name => $value) {
            if (!is_string($name) || preg_match('/^[A-Za-z0-9-]+$/D', $name) !== 1 || !is_string($value) || preg_match('/[\0\r\n]/', $value) === 1) {
                throw new \InvalidArgumentException(sprintf('The header %s is malformed: names are letters, digits and hyphens, values are text without line breaks.', var_export($name, true)));
            }
            if (in_array(strtolower($name), self::OWN_HEADERS, true)) {
                throw new \InvalidArgumentException(sprintf('The header %s is the client\'s own: leave it out.', $name));
            }
        }
    }

    /**
     * Of one connection to any server, for as long as there is time.
     *
     * @param array<string, mixed> $tls
     *
     * @throws \InvalidArgumentException
     */
    public static function once(string $address, array $tls, int $maxBytes, Deadline $deadline): self
    {
        $connectMs = (int) max(1, min(self::CONNECT_MAX_MS, ceil(max(0.0, $deadline->leftMs()))));

        return new self(Address::parse($address), 0, $connectMs, 1, 1, $maxBytes, [], $tls, null, null, $deadline);
    }

    /** @throws \InvalidArgumentException */
    public static function assertWithin(string $name, int $value, int $least, int $most, string $why = ''): void
    {
        if ($value < $least || $value > $most) {
            throw new \InvalidArgumentException(sprintf('%s is %d, and must be from %d to %d%s.', $name, $value, $least, $most, $why));
        }
    }
}
