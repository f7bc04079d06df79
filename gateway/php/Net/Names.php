<?php

declare(strict_types=1);

namespace FpmGateway\Net;

use FpmGateway\Wait;

/**
 * Addresses of names. PHP has no way to ask for them without waiting: all calls of the worker wait as long, so the
 * answer is kept for some seconds.
 *
 * @internal
 */
final class Names
{
    private const KEPT_NS = 10_000_000_000;
    private const MAX = 256;

    /** @var array<string, array{non-empty-list<string>, int}> */
    private static array $known = [];

    /**
     * The name itself where PHP may look it up while it connects: where nobody else is kept waiting, and it tries IPv6
     * and IPv4 by itself.
     *
     * @return non-empty-list<string>
     */
    public static function addresses(string $host): array
    {
        if (Wait::$scheduler === null || @inet_pton(trim($host, '[]')) !== false) {
            return [$host];
        }
        $nowNs = hrtime(true);
        [$addresses, $untilNs] = self::$known[$host] ?? [[$host], 0];
        if ($untilNs < $nowNs) {
            // IPv4 alone; others are left to PHP, which then blocks while it connects, too.
            $found = gethostbynamel($host);
            $addresses = $found === false || $found === [] ? [$host] : array_values($found);
            if (count(self::$known) >= self::MAX) {
                self::$known = [];
            }
            self::$known[$host] = [$addresses, $nowNs + self::KEPT_NS];
        }

        return $addresses;
    }
}
