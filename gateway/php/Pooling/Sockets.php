<?php

declare(strict_types=1);

namespace FpmGateway\Pooling;

use FpmGateway\Client\Deadline;

/**
 * The sockets that calls of one concurrent worker have open at once: `stream_select` fails at descriptor 1,024, and
 * would fail for all of them.
 *
 * @internal
 */
final class Sockets
{
    public const MAX = 256;

    private static ?Places $places = null;
    /** @var array<int, array{resource, Place}> streams that handlers close themselves */
    private static array $streams = [];

    public static function ask(): Place
    {
        return self::places()->ask();
    }

    public static function take(Deadline $deadline): ?Place
    {
        return self::places()->take($deadline, self::why());
    }

    /**
     * The place of a stream that a handler has.
     *
     * @param resource $stream
     */
    public static function keep($stream, Place $place): void
    {
        self::$streams[(int) $stream] = [$stream, $place];
    }

    /** @param resource $stream */
    public static function keeps($stream): bool
    {
        return isset(self::$streams[(int) $stream]);
    }

    /** @param resource $stream */
    public static function close($stream): void
    {
        if (is_resource($stream)) {
            fclose($stream);
        }
        unset(self::$streams[(int) $stream]);
    }

    public static function sweep(): void
    {
        foreach (self::$streams as $id => [$stream]) {
            if (!is_resource($stream)) {
                unset(self::$streams[$id]);
            }
        }
    }

    public static function why(): string
    {
        return sprintf('the calls of this worker have %d sockets open, the most there may be, as PHP can wait for descriptors below 1,024 only. Close what is not needed any more, or lower the concurrency of the function.', self::MAX);
    }

    private static function places(): Places
    {
        return self::$places ??= new Places(self::MAX, self::sweep(...));
    }
}
