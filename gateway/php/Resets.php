<?php

declare(strict_types=1);

namespace FpmGateway;

use FpmGateway\Pooling\StillHeld;
use FpmGateway\Resident\Leaks\Leak;

/** What has to be done after every call, so that the next one finds things as this one did. */
final class Resets
{
    /**
     * For the sentinel: connections made by Database that are still in use.
     *
     * @var \WeakMap<Database, true>|null
     */
    public static ?\WeakMap $databases = null;
    /** For the runtime: code of the application has run behind a handler. */
    public static bool $ran = false;
    /** @var list<callable(): void> */
    private static array $hooks = [];
    /** @var list<string> */
    private static array $kept = [];

    /**
     * For the pool's bootstrap: run after each call, under both engines, before the worker serves another.
     *
     * @throws \LogicException within a call of a resident worker: each such call would add one more, for good
     */
    public static function add(callable $hook): void
    {
        // Under php-fpm the bootstrap itself runs within a call, and what it adds goes with it.
        if (PHP_SAPI === 'cli' && (Wait::$scheduler === null ? Call::running() !== 0 : Wait::$scheduler->owner() !== null)) {
            throw new \LogicException('Resets::add() was called within a call: its hook would stay, and each such call would add another. Add it in the bootstrap, or use $call->onReset().');
        }
        self::$hooks[] = $hook;
    }

    /**
     * For the pool's bootstrap: what may change for good, so that a resident worker does not tell it as a leak. Named
     * as in its report: `Shop\Statistics::$hits`, `static $served in functions/echo.php:12`, `memory of echo`.
     */
    public static function keep(string ...$symbols): void
    {
        array_push(self::$kept, ...array_values($symbols));
    }

    /** For the sentinel. What lies in a kept symbol is kept with it. */
    public static function isKept(string $symbol): bool
    {
        foreach (self::$kept as $kept) {
            if ($symbol === $kept || str_starts_with($symbol, "$kept->") || str_starts_with($symbol, "{$kept}[")) {
                return true;
            }
        }

        return false;
    }

    /**
     * For the runtime, and for unit tests of a bootstrap.
     *
     * @param list<callable(): void> $own of this call
     *
     * @return list<\Throwable> what they threw: the others have run all the same
     */
    public static function run(array $own): array
    {
        return self::each([...$own, ...self::$hooks]);
    }

    /**
     * @param list<callable(): void> $hooks
     *
     * @return list<\Throwable>
     */
    private static function each(array $hooks): array
    {
        self::$ran = true;
        $thrown = [];
        foreach ($hooks as $hook) {
            try {
                $hook();
            } catch (\Throwable $error) {
                $thrown[] = $error;
            }
        }

        return $thrown;
    }

    /**
     * The same, as answers tell of it.
     *
     * @param list<callable(): void> $own
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public static function leaks(array $own): array
    {
        // Nearly always there are none.
        if ($own === [] && self::$hooks === []) {
            return [];
        }

        return self::told(self::run($own));
    }

    /**
     * Those of a call alone: in a worker of many calls the others run when it has none.
     *
     * @param list<callable(): void> $own
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public static function own(array $own): array
    {
        return self::told(self::each($own));
    }

    /**
     * @param list<\Throwable> $thrown
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    private static function told(array $thrown): array
    {
        if ($thrown !== [] && !class_exists(Leak::class, false)) {
            // php-fpm's workers have the classes of calls alone, and nothing that loads others.
            require_once __DIR__ . '/Resident/Leaks/Leak.php';
        }

        return array_merge(...array_map(static fn (\Throwable $thrown): array => $thrown instanceof StillHeld ? $thrown->leaks : [[
            'kind' => 'reset-hook',
            'name' => $thrown::class,
            'detail' => sprintf('%s in %s:%d', Leak::cut($thrown->getMessage()), $thrown->getFile(), $thrown->getLine()),
            'restored' => false,
        ]], $thrown));
    }
}
