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

    public static function ask(): Place
    {
        return self::places()->ask();
    }

    public static function take(Deadline $deadline): ?Place
    {
        return self::places()->take($deadline, self::why());
    }

    public static function why(): string
    {
        return sprintf('the calls of this worker have %d sockets open, the most there may be, as PHP can wait for descriptors below 1,024 only. Close what is not needed any more, or lower the concurrency of the function.', self::MAX);
    }

    private static function places(): Places
    {
        return self::$places ??= new Places(self::MAX);
    }
}
