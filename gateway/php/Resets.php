<?php

declare(strict_types=1);

namespace FpmGateway;

/** What has to be done after every call, so that the next one finds things as this one did. */
final class Resets
{
    /** As much as the sentinel tells of a value. */
    private const MAX_MESSAGE_BYTES = 60;

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
        if (PHP_SAPI === 'cli' && Call::running() !== 0) {
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
     * For the runtime.
     *
     * @param list<callable(): void> $own of this call
     *
     * @return list<\Throwable> what they threw: the others have run all the same
     */
    public static function run(array $own): array
    {
        self::$ran = true;
        $thrown = [];
        foreach ([...$own, ...self::$hooks] as $hook) {
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

        return array_map(static fn (\Throwable $thrown): array => [
            'kind' => 'reset-hook',
            'name' => $thrown::class,
            'detail' => sprintf('%s in %s:%d', self::cut($thrown->getMessage()), $thrown->getFile(), $thrown->getLine()),
            'restored' => false,
        ], self::run($own));
    }

    /** Without the logins of addresses: it goes into traces and logs. */
    private static function cut(string $message): string
    {
        return substr((string) preg_replace('~://[^/@\s]*@~', '://…@', substr($message, 0, 4 * self::MAX_MESSAGE_BYTES)), 0, self::MAX_MESSAGE_BYTES);
    }
}
