<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Quiet;
use FpmGateway\Runtime;

use function headers_list;
use function headers_sent;
use function ob_get_length;
use function ob_get_level;
use function strlen;
use function substr;

/**
 * What a handler prints, kept off the answer. One output buffer stays open over all calls; its callback keeps what
 * `ob_flush()` and `ob_end_flush()` let through. It can be removed, as under php-fpm: `while (ob_get_level()) ob_end_clean();`
 * would never end over one that cannot. What is printed after that goes where descriptor 1 leads: see Stderr.php.
 */
final class Printed
{
    /** Callbacks of the application's may have run. */
    public static bool $ran = false;
    private static string $stray = '';
    private static int $bytes = 0;
    private static int $level = 0;
    private static bool $past = false;
    private static bool $sent = false;

    public static function begin(): void
    {
        // A bootstrap may have printed past it: that is no call's.
        self::$sent = self::$past = headers_sent();
        self::open();
    }

    /** Nothing was printed, and no buffer is open but ours. */
    public static function isNothing(): bool
    {
        return ob_get_level() === self::$level && ob_get_length() === 0 && self::$bytes === 0;
    }

    /** Whether the call that runs has buffers of its own open. */
    public static function isHeld(): bool
    {
        return ob_get_level() > self::$level;
    }

    /** How many are not a call's. */
    public static function level(): int
    {
        return self::$level;
    }

    /**
     * Before the answer.
     *
     * @return array{stray?: string, strayBytes?: int}
     */
    public static function take(): array
    {
        if (self::isNothing()) {
            return [];
        }
        self::$ran = true;
        while (ob_get_level() > self::$level && self::endOne()) {
        }
        if (ob_get_level() === self::$level) {
            ob_flush();
        } elseif (ob_get_level() < self::$level) {
            self::open();
        }
        $told = self::$bytes === 0 ? [] : ['stray' => self::$stray, 'strayBytes' => self::$bytes];
        self::$stray = '';
        self::$bytes = 0;

        return $told;
    }

    /** Whether this call printed past the buffer. Once in a worker's life, and the gateway replaces it then. */
    public static function wentPast(): bool
    {
        if (self::$past || !headers_sent()) {
            return false;
        }

        return self::$past = true;
    }

    /**
     * What the next call would find: PHP cannot take back either.
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public static function leaks(): array
    {
        if (headers_list() !== []) {
            header_remove();
        }
        $leaks = [];
        if (ob_get_level() > self::$level) {
            $name = ob_list_handlers()[self::$level] ?? '';
            $leaks[] = ['kind' => 'output-buffer', 'name' => $name, 'detail' => 'it cannot be removed', 'restored' => false];
        }
        if (!self::$sent && headers_sent()) {
            // Told once: it stays so.
            self::$sent = true;
            $leaks[] = ['kind' => 'output', 'name' => 'headers_sent()', 'detail' => 'something was printed past the output buffer', 'restored' => false];
        }

        return $leaks;
    }

    /** False for one that cannot be removed. What its callback throws is thrown. */
    private static function endOne(): bool
    {
        if ((ob_get_status()['flags'] & PHP_OUTPUT_HANDLER_REMOVABLE) === 0) {
            // Asked all the same, PHP would tell the application's error handler.
            return false;
        }

        return @ob_end_flush();
    }

    private static function open(): void
    {
        ob_start(self::keep(...));
        self::$level = ob_get_level();
    }

    private static function keep(string $printed, int $phase): string
    {
        // What is cleaned was not meant to be seen.
        if ($printed !== '' && ($phase & PHP_OUTPUT_HANDLER_CLEAN) === 0) {
            self::$stray .= substr($printed, 0, Runtime::MAX_STRAY_BYTES - strlen(self::$stray));
            self::$bytes += strlen($printed);
        }

        return '';
    }
}
