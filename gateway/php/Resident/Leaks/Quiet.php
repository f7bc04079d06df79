<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/** Runs what may fail between two calls. `@` is not enough: the application's error handler would hear of it, and may throw. */
final class Quiet
{
    /**
     * @template T
     *
     * @param callable(): T $do
     *
     * @return T|null null when it threw
     */
    public static function run(callable $do): mixed
    {
        set_error_handler(static fn (): bool => true);
        try {
            return $do();
        } catch (\Throwable) {
            return null;
        } finally {
            restore_error_handler();
        }
    }
}
