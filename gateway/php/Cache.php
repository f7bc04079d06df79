<?php

declare(strict_types=1);

namespace FpmGateway;

use FpmGateway\Cache\Link;
use FpmGateway\Cache\Memory;
use FpmGateway\Cache\Unavailable;
use FpmGateway\Cache\Values;
use FpmGateway\Cache\Way;

/**
 * What all workers of a pool share, held by the gateway: bounded, the one unused for longest goes first, gone with the
 * gateway. Values are null, bool, int, float, string and arrays of them; keys have 1 to 250 bytes.
 *
 * Where the gateway cannot be reached, `get`, `many`, `set` and `remember` go on as if nothing was cached. `add`, `delete`
 * and `increment` throw: somebody relies on what they say.
 */
final class Cache
{
    private const KEY_MAX_BYTES = 250;
    private const TTL_MAX_MS = 315_360_000_000;
    private const LEASE_MAX_MS = 600_000;

    /** In a process that serves many calls all of them share the connection. */
    private static ?self $own = null;

    private function __construct(private readonly Way $way)
    {
    }

    /**
     * For code that has no `Call`, such as a pool's bootstrap. Handlers have it as `$call->cache`.
     *
     * @throws \LogicException where there is none
     */
    public static function ofEnvironment(): self
    {
        return self::$own ??= new self(new Link(self::target()));
    }

    /** For unit tests: in this process alone. */
    public static function fake(): self
    {
        return new self(new Memory());
    }

    /**
     * For whoever forks: the connection that a bootstrap may have opened is not for all of its children. The next use
     * opens another.
     *
     * @internal
     */
    public static function disconnect(): void
    {
        if (self::$own?->way instanceof Link) {
            self::$own->way->close();
        }
    }

    private static function target(): string
    {
        $address = getenv('FPMG_CACHE');
        if (!\is_string($address) || !str_starts_with($address, 'unix:/')) {
            throw new \LogicException('There is no cache here: FPMG_CACHE is not set. Pools that the gateway runs have it. A php-fpm that somebody else runs (a pool with an address) cannot reach the cache of the gateway.');
        }

        return str_replace('unix:/', 'unix:///', $address);
    }

    /** The value, or the default: also where the gateway cannot be reached. */
    public function get(string $key, mixed $default = null): mixed
    {
        $bytes = \strlen($key);
        if ($bytes === 0 || $bytes > self::KEY_MAX_BYTES) {
            throw self::badKey($key);
        }
        try {
            $answer = $this->way->ask(Way::GET, $bytes, $key, true);
        } catch (Unavailable) {
            return $default;
        }

        return $answer[Way::STATUS_AT] === Way::OK ? Values::decode($answer, Way::PAYLOAD_AT) : $default;
    }

    /**
     * @param int|null $ttlMs null: until room is needed
     *
     * @return bool false: the gateway cannot be reached, nothing is stored
     *
     * @throws \LengthException for a value larger than `cache.valueMaxBytes` of the pool
     */
    public function set(string $key, mixed $value, ?int $ttlMs = null): bool
    {
        $behind = self::ttl($ttlMs) . self::checked($key) . Values::encode($value);
        try {
            $answer = $this->way->ask(Way::SET, \strlen($key), $behind, true);
        } catch (Unavailable) {
            return false;
        }

        return self::said($answer, $key) === Way::OK;
    }

    /**
     * Stores it only if there is nothing yet: of all that try, one gets true.
     *
     * @throws Unavailable
     * @throws \LengthException
     */
    public function add(string $key, mixed $value, ?int $ttlMs = null): bool
    {
        $behind = self::ttl($ttlMs) . self::checked($key) . Values::encode($value);

        return self::said($this->way->ask(Way::ADD, \strlen($key), $behind, false), $key) === Way::OK;
    }

    /**
     * @return bool whether there was one
     *
     * @throws Unavailable
     */
    public function delete(string $key): bool
    {
        return self::said($this->way->ask(Way::DELETE, \strlen($key), self::checked($key), true), $key) === Way::OK;
    }

    /**
     * The new count: of all workers, however many do it at once. Where there is none it begins at 0.
     *
     * @param int|null $ttlMs of a counter that is made by this; that of others stays
     *
     * @throws Unavailable
     * @throws \UnexpectedValueException where there is something else than an integer
     * @throws \OverflowException        where the sum is none
     */
    public function increment(string $key, int $by = 1, ?int $ttlMs = null): int
    {
        $behind = pack('P', $by) . self::ttl($ttlMs) . self::checked($key);
        $answer = $this->way->ask(Way::INCREMENT, \strlen($key), $behind, false);

        return match (self::said($answer, $key)) {
            Way::OK => Values::decode($answer, Way::PAYLOAD_AT),
            Way::NOT_AN_INTEGER => throw new \UnexpectedValueException("What the cache holds under \"$key\" is no integer: it cannot be incremented."),
            Way::OVERFLOW => throw new \OverflowException("The counter \"$key\" cannot be changed by $by: PHP has no integer of that size."),
        };
    }

    /**
     * Those of the keys that are there, all in one go.
     *
     * @param array<array-key, string|int> $keys
     *
     * @return array<array-key, mixed> by key
     */
    public function many(array $keys): array
    {
        $keys = array_values(array_map(static fn (string|int $key): string => self::checked((string) $key), $keys));
        try {
            $answers = $this->way->getAll($keys);
        } catch (Unavailable) {
            return [];
        }
        $values = [];
        foreach ($answers as $at => $answer) {
            if ($answer[Way::STATUS_AT] === Way::OK) {
                $values[$keys[$at]] = Values::decode($answer, Way::PAYLOAD_AT);
            }
        }

        return $values;
    }

    /**
     * The value; where there is none, what `$make` returns. Of all workers that ask one makes it, the others wait for it.
     *
     * @template T
     *
     * @param callable(): T $make
     * @param int           $leaseMs after this long another one makes it, too; after twice that the others make it for themselves
     *
     * @return T|mixed
     *
     * @throws \LengthException for a value larger than `cache.valueMaxBytes` of the pool
     */
    public function remember(string $key, int $ttlMs, callable $make, int $leaseMs = 10_000): mixed
    {
        if ($leaseMs < 1 || $leaseMs > self::LEASE_MAX_MS) {
            throw new \ValueError(sprintf('leaseMs is %d: it is 1 to %d.', $leaseMs, self::LEASE_MAX_MS));
        }
        $ttl = self::ttl($ttlMs);
        try {
            $answer = $this->way->ask(Way::LEASE, \strlen($key), pack('ee', $leaseMs, 2 * $leaseMs) . self::checked($key), true, 2 * $leaseMs);
        } catch (Unavailable) {
            return $make();
        }
        switch (self::said($answer, $key)) {
            case Way::OK:
                return Values::decode($answer, Way::PAYLOAD_AT);
            case Way::LEASED:
                return $this->fill($key, $ttl, $make, substr($answer, Way::PAYLOAD_AT, 8));
            default:
                return $make();
        }
    }

    /** @param callable(): mixed $make */
    private function fill(string $key, string $ttl, callable $make, string $token): mixed
    {
        try {
            $value = $make();
            $encoded = Values::encode($value);
        } catch (\Throwable $thrown) {
            // The next one tries: it should not wait for the end of the lease.
            try {
                $this->way->ask(Way::RELEASE, \strlen($key), $token . $key, true);
            } catch (Unavailable) {
            }
            throw $thrown;
        }
        try {
            $answer = $this->way->ask(Way::FILL, \strlen($key), $token . $ttl . $key . $encoded, true);
        } catch (Unavailable) {
            return $value;
        }
        if ($answer[Way::STATUS_AT] === Way::TOO_LARGE) {
            try {
                $this->way->ask(Way::RELEASE, \strlen($key), $token . $key, true);
            } catch (Unavailable) {
            }
        }
        self::said($answer, $key);

        return $value;
    }

    /** The status; throws for those that are nobody's choice. */
    private static function said(string $answer, string $key): string
    {
        $status = $answer[Way::STATUS_AT];
        if ($status === Way::TOO_LARGE) {
            [, $limit, $bytes] = unpack('e2', $answer, Way::PAYLOAD_AT) ?: [1 => 0, 0];
            throw new \LengthException(sprintf('The value for "%s" has %d bytes, encoded; the cache of this pool takes %d (pools.<name>.cache.valueMaxBytes, and maxBytes).', $key, $bytes, $limit));
        }
        if ($status === Way::MALFORMED) {
            throw new \UnexpectedValueException('The gateway did not understand this: ' . substr($answer, Way::PAYLOAD_AT) . '.');
        }

        return $status;
    }

    private static function checked(string $key): string
    {
        return $key !== '' && \strlen($key) <= self::KEY_MAX_BYTES ? $key : throw self::badKey($key);
    }

    private static function badKey(string $key): \ValueError
    {
        return new \ValueError(sprintf('A key of the cache has 1 to %d bytes, this one %d%s', self::KEY_MAX_BYTES, \strlen($key), $key === '' ? '.' : ': "' . substr($key, 0, 40) . '…". Use a hash of what is longer.'));
    }

    private static function ttl(?int $ttlMs): string
    {
        if ($ttlMs !== null && ($ttlMs < 1 || $ttlMs > self::TTL_MAX_MS)) {
            throw new \ValueError(sprintf('ttlMs is %d: it is 1 to %d (ten years), or null for none.', $ttlMs, self::TTL_MAX_MS));
        }

        return pack('e', $ttlMs ?? 0);
    }
}
