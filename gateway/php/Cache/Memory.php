<?php

declare(strict_types=1);

namespace FpmGateway\Cache;

/**
 * A cache in this process, for unit tests: without limits of size, and nobody else there.
 *
 * @internal
 */
final class Memory implements Way
{
    /** @var array<string, array{string, float}> value and time of expiry in ns; keys with a letter in front, or PHP makes integers of them */
    private array $entries = [];
    /** @var array<string, int> tokens */
    private array $leases = [];
    private int $token = 0;

    public function ask(int $command, int $keyBytes, string $behind, bool $repeats, float $patienceMs = 0.0): string
    {
        $bytes = [self::GET => 0, self::DELETE => 0, self::SET => 8, self::ADD => 8, self::RELEASE => 8][$command] ?? 16;
        $arguments = substr($behind, 0, $bytes);
        $key = 'k' . substr($behind, $bytes, $keyBytes);
        $value = substr($behind, $bytes + $keyBytes);
        $before = $this->value($key);

        return str_repeat("\0", self::STATUS_AT) . match ($command) {
            self::GET => $before === null ? self::NO : self::OK . $before,
            self::SET => $this->put($key, $value, unpack('e', $arguments)[1]),
            self::ADD => $before === null ? $this->put($key, $value, unpack('e', $arguments)[1]) : self::NO,
            self::DELETE => $this->delete($key, $before),
            self::INCREMENT => $this->increment($key, $before, $arguments),
            self::LEASE => $this->lease($key, $before),
            self::FILL => ($this->leases[$key] ?? 0) === unpack('P', $arguments)[1] ? $this->put($key, $value, unpack('e', $arguments, 8)[1]) : self::NO,
            default => $this->release($key),
        };
    }

    public function getAll(array $keys): array
    {
        return array_map(fn (string $key): string => $this->ask(self::GET, \strlen($key), $key, true), $keys);
    }

    private function value(string $key): ?string
    {
        [$value, $endsNs] = $this->entries[$key] ?? [null, INF];
        if ($endsNs > hrtime(true)) {
            return $value;
        }
        unset($this->entries[$key]);

        return null;
    }

    private function put(string $key, string $value, float $ttlMs): string
    {
        $this->entries[$key] = [$value, $ttlMs > 0 ? hrtime(true) + $ttlMs * 1e6 : INF];
        unset($this->leases[$key]);

        return self::OK;
    }

    private function delete(string $key, ?string $before): string
    {
        unset($this->entries[$key], $this->leases[$key]);

        return $before === null ? self::NO : self::OK;
    }

    private function increment(string $key, ?string $before, string $arguments): string
    {
        ['by' => $by, 'ttlMs' => $ttlMs] = unpack('Pby/ettlMs', $arguments);
        $count = $before === null ? 0 : Values::decode($before, 0);
        if (!\is_int($count)) {
            return self::NOT_AN_INTEGER;
        }
        $sum = $count + $by;
        if (!\is_int($sum)) {
            return self::OVERFLOW;
        }
        $value = Values::encode($sum);
        if ($before === null) {
            $this->put($key, $value, $ttlMs);
        }
        $this->entries[$key][0] = $value;

        return self::OK . $value;
    }

    private function lease(string $key, ?string $before): string
    {
        if ($before !== null) {
            return self::OK . $before;
        }
        if (isset($this->leases[$key])) {
            return self::BUSY;
        }
        $this->leases[$key] = ++$this->token;

        return self::LEASED . pack('P', $this->token);
    }

    private function release(string $key): string
    {
        unset($this->leases[$key]);

        return self::OK;
    }
}
