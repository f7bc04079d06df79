<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\Wait;

/**
 * Waits until connections can be read or written: the one place where a client waits.
 *
 * @internal
 */
final class Readiness
{
    private const LONGEST_WAIT_MS = 60_000.0;

    /**
     * @param array<int, Connection> $connections
     *
     * @return list<array{Connection, bool, bool}> which can be read, and written
     *
     * @throws Broken where PHP cannot wait for them, and never will
     */
    public static function of(array $connections, float $waitMs): array
    {
        $read = $write = [];
        foreach ($connections as $id => $connection) {
            if ($connection->wantsRead()) {
                $read[$id] = $connection->socket();
            }
            if ($connection->wantsWrite()) {
                $write[$id] = $connection->socket();
            }
        }
        // Callers in other applications have this folder only; who has no such class has no scheduler.
        [$readable, $writable] = class_exists(Wait::class, false) && Wait::$scheduler !== null
            ? Wait::ready(Wait::$scheduler, $read, $write, max(0.0, min($waitMs, self::LONGEST_WAIT_MS)))
            : self::select($read, $write, $waitMs);
        if ($readable === [] && $writable === []) {
            return [];
        }
        $ready = [];
        foreach ($readable as $id) {
            $ready[$id] = [$connections[$id], true, false];
        }
        foreach ($writable as $id) {
            $ready[$id] = [$connections[$id], isset($ready[$id]), true];
        }

        return array_values($ready);
    }

    /**
     * Blocks this process. See `Wait::select()`.
     *
     * @template K of array-key
     *
     * @param array<K, resource> $read
     * @param array<K, resource> $write
     *
     * @return array{list<K>, list<K>}
     *
     * @throws Broken
     */
    public static function select(array $read, array $write, float $waitMs): array
    {
        $us = (int) ceil(max(0.0, min($waitMs, self::LONGEST_WAIT_MS)) * 1000);
        if ($read === [] && $write === []) {
            usleep($us);

            return [[], []];
        }
        $except = null;
        error_clear_last();
        if (@stream_select($read, $write, $except, intdiv($us, 1_000_000), $us % 1_000_000) === false) {
            self::assertInterrupted(error_get_last()['message'] ?? '');

            return [[], []];
        }

        return [array_keys($read), array_keys($write)];
    }

    /** A signal ends a wait (EINTR, 4), which is none of our business; anything else would come back for ever. */
    private static function assertInterrupted(string $message): void
    {
        if ($message === '' || str_contains($message, '[4]')) {
            return;
        }

        throw new Broken(str_contains($message, 'FD_SETSIZE')
            ? 'PHP cannot wait for descriptors of 1,024 and more, and this process has too many files and connections open: close some, or lower the concurrency of the client.'
            : sprintf('PHP cannot wait for the gateway: %s', $message));
    }
}
