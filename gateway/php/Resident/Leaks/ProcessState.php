<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * What PHP puts back by itself at the end of a request, and a resident worker has to: looked at after every call, so
 * each line here counts. What costs more is in Settings.
 */
final class ProcessState
{
    /** More handlers than this on a stack are not a call that forgot one. */
    private const MAX_HANDLERS = 64;

    /** Those that change what others are answered, or where they are. Each costs 0.03 µs; the rest is in Settings. */
    private const INI = ['precision', 'serialize_precision', 'default_charset', 'include_path', 'display_errors', 'error_log', 'date.timezone'];

    /** @var array<string, string|false> */
    private readonly array $ini;
    private readonly string|false $folder;
    private readonly string $timezone;
    private readonly mixed $errorHandler;
    private readonly mixed $exceptionHandler;
    private readonly int $errorLevel;
    private readonly int $umask;
    private readonly string $timeLimit;
    private readonly bool $timed;
    private readonly string $memoryLimit;
    private readonly string $locale;
    private readonly string $encoding;
    private readonly bool $xmlErrors;
    private readonly bool $hasXml;
    private readonly bool $hasMultibyte;
    private readonly bool $hasSessions;
    /** @var list<\Closure(): mixed> what undoes putting back: for a call that only waits */
    private array $again = [];

    public function __construct()
    {
        // As error_reporting() writes it when it is put back: a php.ini may have none, or -1.
        ini_set('error_reporting', (string) error_reporting());
        $ini = [];
        foreach (self::INI as $name) {
            $ini[$name] = ini_get($name);
        }
        $this->ini = $ini;
        $this->folder = getcwd();
        $this->timezone = date_default_timezone_get();
        $this->errorHandler = set_error_handler(null);
        restore_error_handler();
        $this->exceptionHandler = set_exception_handler(null);
        restore_exception_handler();
        $this->errorLevel = error_reporting();
        $this->umask = umask();
        $this->timeLimit = (string) ini_get('max_execution_time');
        $this->timed = (int) $this->timeLimit > 0;
        $this->memoryLimit = (string) ini_get('memory_limit');
        $this->locale = (string) setlocale(LC_ALL, '0');
        $this->hasXml = function_exists('libxml_use_internal_errors');
        $this->xmlErrors = $this->hasXml && libxml_use_internal_errors();
        $this->hasMultibyte = function_exists('mb_internal_encoding');
        $this->encoding = $this->hasMultibyte ? (string) mb_internal_encoding() : '';
        $this->hasSessions = function_exists('session_status');
        // As it is under php-fpm. PHP's CLI has none at first, and none can be put back; it keeps no headers at all.
        Quiet::run(static fn (): mixed => http_response_code(200));
    }

    /**
     * What sets again all that was put back since it was last asked for, in this order. Not limits of time and memory,
     * which are the whole process's, nor sessions.
     *
     * @return list<\Closure(): mixed>
     */
    public function takeAgain(): array
    {
        $again = $this->again;
        $this->again = [];

        return $again;
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    public function putBack(): array
    {
        $leaks = [];
        if (\getcwd() !== $this->folder) {
            $leaks[] = $this->putBackFolder();
        }
        if (\umask() !== $this->umask) {
            $now = umask($this->umask);
            $this->again[] = static fn (): int => umask($now);
            $leaks[] = Leak::of('umask', 'umask()', sprintf('%04o → %04o', $this->umask, $now), true);
        }
        if (\date_default_timezone_get() !== $this->timezone) {
            $now = date_default_timezone_get();
            $this->again[] = static fn (): bool => date_default_timezone_set($now);
            $leaks[] = Leak::change('timezone', 'date_default_timezone_set()', $this->timezone, $now, true);
            date_default_timezone_set($this->timezone);
        }
        if (\setlocale(LC_ALL, '0') !== $this->locale) {
            $leaks[] = $this->putBackLocale();
        }
        $top = \set_error_handler(null);
        \restore_error_handler();
        if ($top !== $this->errorHandler) {
            $leaks[] = $this->putBackErrorHandler($top);
        }
        $top = \set_exception_handler(null);
        \restore_exception_handler();
        if ($top !== $this->exceptionHandler) {
            $leaks[] = $this->putBackExceptionHandler($top);
        }
        if (\error_reporting() !== $this->errorLevel) {
            $now = error_reporting($this->errorLevel);
            $this->again[] = static fn (): int => error_reporting($now);
            $leaks[] = Leak::change('ini', 'error_reporting', $this->errorLevel, $now, true);
        }
        if (\ini_get('max_execution_time') !== $this->timeLimit) {
            $leaks[] = Leak::change('ini', 'max_execution_time', $this->timeLimit, ini_get('max_execution_time'), true);
            set_time_limit((int) $this->timeLimit);
        } elseif ($this->timed) {
            // It counts from the last call of this, so each call gets its own.
            \set_time_limit((int) $this->timeLimit);
        }
        if (\ini_get('memory_limit') !== $this->memoryLimit) {
            $now = ini_get('memory_limit');
            // Fails while more than that is in use.
            Quiet::run(fn (): mixed => ini_set('memory_limit', $this->memoryLimit));
            $leaks[] = Leak::change('ini', 'memory_limit', $this->memoryLimit, $now, ini_get('memory_limit') === $this->memoryLimit);
        }
        foreach ($this->ini as $name => $value) {
            if (\ini_get($name) !== $value) {
                $now = ini_get($name);
                if (Quiet::run(static fn (): mixed => ini_set($name, (string) $value)) === false) {
                    ini_restore($name);
                }
                $this->again[] = static fn (): mixed => @ini_set($name, (string) $now);
                $leaks[] = Leak::change('ini', $name, $value, $now, ini_get($name) === $value);
            }
        }
        if ($_GET || $_POST || $_COOKIE || $_FILES || $_REQUEST) {
            array_push($leaks, ...$this->emptySuperglobals());
        }
        if ($this->hasXml && \libxml_use_internal_errors($this->xmlErrors) !== $this->xmlErrors) {
            libxml_clear_errors();
            $this->again[] = fn (): bool => libxml_use_internal_errors(!$this->xmlErrors);
            $leaks[] = Leak::change('libxml', 'libxml_use_internal_errors()', $this->xmlErrors, !$this->xmlErrors, true);
        }
        if ($this->hasMultibyte && \mb_internal_encoding() !== $this->encoding) {
            $now = (string) mb_internal_encoding();
            $this->again[] = static fn (): mixed => mb_internal_encoding($now);
            $leaks[] = Leak::change('encoding', 'mb_internal_encoding()', $this->encoding, $now, true);
            mb_internal_encoding($this->encoding);
        }
        if ($this->hasSessions && (\session_id() !== '' || isset($_SESSION))) {
            $leaks[] = $this->endSession();
        }
        if (\http_response_code() !== 200) {
            Quiet::run(static fn (): mixed => http_response_code(200));
        }
        // Not leaks, but a later call must not see them: is_file() answers for the last file from a cache.
        \clearstatcache();
        \error_clear_last();

        return $leaks;
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool} */
    private function putBackFolder(): array
    {
        $now = getcwd();
        $restored = $this->folder !== false && Quiet::run(fn (): bool => chdir($this->folder)) === true;
        if ($now !== false) {
            $this->again[] = static fn (): bool => @chdir($now);
        }

        return Leak::change('working-directory', 'chdir()', $this->folder, $now === false ? '(deleted)' : $now, $restored);
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool} */
    private function putBackLocale(): array
    {
        $now = (string) setlocale(LC_ALL, '0');
        setlocale(LC_ALL, $this->locale);
        $this->again[] = static fn (): mixed => setlocale(LC_ALL, $now);
        // What is told is the first category that differs: there are a dozen in one text.
        $from = explode(';', $this->locale);
        $to = explode(';', $now);
        $differing = count($from) === count($to) ? array_keys(array_diff_assoc($to, $from)) : [];
        $at = $differing[0] ?? null;

        return Leak::change(
            'locale',
            'LC_ALL',
            $at === null ? $this->locale : $from[$at],
            $at === null ? $now : $to[$at],
            setlocale(LC_ALL, '0') === $this->locale,
        );
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool} */
    private function putBackErrorHandler(mixed $top): array
    {
        $found = $top;
        $taken = [];
        for ($popped = 0; $found !== $this->errorHandler && $found !== null && $popped < self::MAX_HANDLERS; ++$popped) {
            restore_error_handler();
            $taken[] = $found;
            $found = set_error_handler(null);
            restore_error_handler();
        }
        if ($found !== $this->errorHandler) {
            // The call took the application's own away.
            set_error_handler($this->errorHandler);
        }
        $this->again[] = static function () use ($taken): void {
            // PHP does not tell the levels that each was for.
            foreach (array_reverse($taken) as $handler) {
                set_error_handler($handler);
            }
        };

        return $this->handlerLeak('error-handler', 'set_error_handler()', $this->errorHandler, $top);
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool} */
    private function putBackExceptionHandler(mixed $top): array
    {
        $found = $top;
        $taken = [];
        for ($popped = 0; $found !== $this->exceptionHandler && $found !== null && $popped < self::MAX_HANDLERS; ++$popped) {
            restore_exception_handler();
            $taken[] = $found;
            $found = set_exception_handler(null);
            restore_exception_handler();
        }
        if ($found !== $this->exceptionHandler) {
            set_exception_handler($this->exceptionHandler);
        }
        $this->again[] = static function () use ($taken): void {
            foreach (array_reverse($taken) as $handler) {
                set_exception_handler($handler);
            }
        };

        return $this->handlerLeak('exception-handler', 'set_exception_handler()', $this->exceptionHandler, $top);
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool} */
    private function handlerLeak(string $kind, string $name, mixed $from, mixed $to): array
    {
        return Leak::of($kind, $name, Leak::showCallable($from) . ' → ' . Leak::showCallable($to), true);
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    private function emptySuperglobals(): array
    {
        $leaks = [];
        $all = [$_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST];
        $this->again[] = static function () use ($all): void {
            [$_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST] = $all;
        };
        foreach (['_GET' => $_GET, '_POST' => $_POST, '_COOKIE' => $_COOKIE, '_FILES' => $_FILES, '_REQUEST' => $_REQUEST] as $name => $now) {
            if ($now !== []) {
                $leaks[] = Leak::change('superglobal', "\$$name", [], $now, true);
            }
        }
        $_GET = $_POST = $_COOKIE = $_FILES = $_REQUEST = [];

        return $leaks;
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool} */
    private function endSession(): array
    {
        $size = count($_SESSION ?? []);
        Quiet::run(static fn (): mixed => session_status() === PHP_SESSION_ACTIVE ? session_write_close() : true);
        unset($_SESSION, $GLOBALS['_SESSION']);
        // Else the next call's session_start() would go on with this caller's session.
        Quiet::run(static fn (): mixed => session_id(''));

        return Leak::of('session', '$_SESSION', "left with $size values", session_id() === '' && !isset($_SESSION));
    }
}
