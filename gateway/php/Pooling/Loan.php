<?php

declare(strict_types=1);

namespace FpmGateway\Pooling;

/**
 * A connection of a pool while a call has it.
 *
 * @internal
 */
final class Loan
{
    /** References to a value that nobody else has, where it is counted. */
    private static int $fewest = 0;

    /** @param object|resource $connection */
    public function __construct(private readonly Pool $pool, private mixed $connection, private ?Place $place)
    {
    }

    /** @return object|resource */
    public function connection(): mixed
    {
        return $this->connection;
    }

    /**
     * The call has ended.
     *
     * @return array{kind: string, name: string, detail: string, restored: bool}|null what keeps it from being lent again
     */
    public function end(): ?array
    {
        $connection = $this->connection;
        $this->connection = null;
        try {
            if (!self::isUsable($connection)) {
                return null;
            }
            $ours = is_resource($connection) && Sockets::keeps($connection) ? 1 : 0;
            if (self::references($connection) - $ours > self::$fewest) {
                return [
                    'kind' => 'pooled',
                    'name' => $this->pool->name(),
                    'detail' => sprintf('%s of $call->pool() is still held behind the call, as in a static property: it is given to no other call', get_debug_type($connection)),
                    'restored' => false,
                ];
            }
            $this->pool->keep($connection);

            return null;
        } finally {
            // Whoever is next in line finds it among the idle ones.
            $this->place = null;
        }
    }

    /** Rolls back what was left open. False: it is closed, or dead. */
    private static function isUsable(mixed $connection): bool
    {
        if (!$connection instanceof \PDO) {
            return is_object($connection) || is_resource($connection);
        }
        try {
            return !$connection->inTransaction() || $connection->rollBack();
        } catch (\Throwable) {
            // The server has rolled back, or will.
            return false;
        }
    }

    /**
     * How often a value is referred to. PHP says so only where it dumps one with all there is in it, which could take
     * long: those with more in them than plain values are not looked at.
     */
    private static function references(mixed $connection): int
    {
        if (self::$fewest === 0) {
            self::$fewest = 1;
            $fresh = new \stdClass();
            self::$fewest = self::references($fresh);
        }
        if (is_object($connection)) {
            foreach ((array) $connection as $member) {
                if (is_array($member) || is_object($member)) {
                    return 0;
                }
            }
        }
        ob_start();
        try {
            debug_zval_dump($connection);
        } finally {
            $dump = (string) ob_get_clean();
        }

        return preg_match('/ refcount\((\d+)\)/', $dump, $found) === 1 ? (int) $found[1] : 0;
    }
}
