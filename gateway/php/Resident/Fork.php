<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/**
 * A process that a handler or the bootstrap forked, when their code has ended in it. The worker's connection and those to
 * databases are copies: an orderly end would say goodbye on them, in the worker's name.
 */
final class Fork
{
    /** What a handler forked has no answer to give: the worker's own is still to come. Asking takes 0.3 µs. */
    public static function endIn(int $pid): void
    {
        if (getmypid() !== $pid) {
            self::end();
        }
    }

    public static function end(): never
    {
        Process::atEnd(null);
        $pid = getmypid();
        if (function_exists('posix_kill')) {
            posix_kill($pid, 9);
        }
        if (function_exists('exec')) {
            exec("kill -9 $pid");
        }
        exit(255);
    }
}
