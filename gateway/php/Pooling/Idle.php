<?php

declare(strict_types=1);

namespace FpmGateway\Pooling;

/**
 * A connection that no call has.
 *
 * @internal
 */
final class Idle
{
    /** What has just been used answers. One that waited for longer is asked: the server may have gone meanwhile. */
    private const TRUSTED_NS = 1_000_000_000;

    /** @param object|resource $connection */
    public function __construct(public readonly mixed $connection, public readonly int $sinceNs)
    {
    }

    /** It goes. A stream that `$call->connect()` opened has a place among the sockets, which it gives back. */
    public function end(): void
    {
        if (is_resource($this->connection) && get_resource_type($this->connection) === 'stream') {
            Sockets::close($this->connection);
        }
    }

    /** @param (callable(mixed): bool)|null $isGood */
    public function isFit(?callable $isGood): bool
    {
        if (!is_object($this->connection) && !is_resource($this->connection)) {
            // It was closed meanwhile.
            return false;
        }
        try {
            if ($isGood !== null) {
                return $isGood($this->connection) === true;
            }
            if ($this->connection instanceof \PDO) {
                return hrtime(true) - $this->sinceNs < self::TRUSTED_NS || self::answers($this->connection);
            }
        } catch (\Throwable) {
            return false;
        }

        // A stream at its end, or one that has something to say unasked, is of no use to the next.
        return !is_resource($this->connection) || get_resource_type($this->connection) !== 'stream' || self::isQuiet($this->connection);
    }

    private static function answers(\PDO $pdo): bool
    {
        // MySQL's driver warns besides of throwing.
        $answer = @$pdo->query('SELECT 1');

        return $answer !== false && $answer->fetchAll() !== [];
    }

    /** @param resource $stream */
    private static function isQuiet($stream): bool
    {
        [$read, $none] = [[$stream], null];

        return !feof($stream) && @stream_select($read, $none, $none, 0) === 0;
    }
}
