<?php

declare(strict_types=1);

namespace FpmGateway\Debug;

/**
 * What `dev --xdebug` does around a call: it connects to the editor, or records which lines run. Checks and primings, which
 * are requests as well, are none of its business.
 *
 * Depends on nothing else: it lies in a folder of its own, outside of every project.
 */
final class Hooks
{
    /** Of a resident worker's session: the descriptor of Xdebug's socket, and which one it is. @var array<string, string> */
    private static array $own = [];

    /** The first thing in each process. */
    public static function begin(): void
    {
        // Resident/Attempts.php calls before() and after().
        if (PHP_SAPI === 'cli') {
            self::nameProfile('worker.' . getmypid());

            return;
        }
        $isCall = in_array(getenv('FPMG_OPERATION'), ['call', 'call-with'], true) || getenv('FPMG_SCRIPT') !== false;
        self::nameProfile($isCall ? getenv('FPMG_FUNCTION') . '.' . getenv('FPMG_ATTEMPT_ID') : '');
        if ($isCall) {
            self::before();
            register_shutdown_function(self::afterRequest(...));
        }
    }

    /** A call begins. */
    public static function before(): void
    {
        match (get_cfg_var('fpmg.debug')) {
            'debug' => self::connect(),
            'coverage' => Coverage::start(),
            default => null,
        };
    }

    /** A call of a resident worker has ended, and the worker lives on. */
    public static function after(): void
    {
        match (get_cfg_var('fpmg.debug')) {
            'debug' => self::disconnect(),
            'coverage' => Coverage::stop(),
            default => null,
        };
    }

    /** php-fpm's Xdebug disconnects by itself. */
    private static function afterRequest(): void
    {
        if (get_cfg_var('fpmg.debug') === 'coverage') {
            Coverage::stop();
        }
    }

    /** By function and call, as in its trace; Xdebug has opened it already. Empty: nobody wants it. */
    private static function nameProfile(string $name): void
    {
        $file = get_cfg_var('fpmg.debug') === 'profile' ? \xdebug_get_profiler_filename() : false;
        if ($file === false) {
            return;
        }
        if ($name === '') {
            @unlink($file);
        } else {
            @rename($file, dirname($file) . "/cachegrind.out.$name");
        }
    }

    /** A session for each call: breakpoints that the editor has now are known, also in a worker that is old. */
    private static function connect(): void
    {
        if (ini_get('xdebug.start_with_request') === 'trigger' || \xdebug_is_debugger_active()) {
            return;
        }
        $before = PHP_SAPI === 'cli' ? self::sockets() : [];
        \xdebug_connect_to_client();
        // It connects at the next statement, which is this one.
        self::$own = PHP_SAPI === 'cli' ? array_diff_assoc(self::sockets(), $before) : [];
    }

    /**
     * Xdebug knows no end of a session but that of the request. It takes a connection that the other side has closed for
     * one, when it next wants to talk.
     */
    private static function disconnect(): void
    {
        if (self::$own === [] || !\xdebug_is_debugger_active()) {
            return;
        }
        foreach (array_intersect_assoc(self::$own, self::sockets()) as $descriptor => $_) {
            $socket = @fopen("php://fd/$descriptor", 'r+');
            if ($socket !== false) {
                stream_socket_shutdown($socket, STREAM_SHUT_RDWR);
            }
        }
        \xdebug_break();
        // It breaks at the next statement, which is this one, and finds nobody.
        self::$own = [];
    }

    /** @return array<string, string> */
    private static function sockets(): array
    {
        $sockets = [];
        foreach (@scandir('/proc/self/fd') ?: [] as $descriptor) {
            $target = (string) @readlink("/proc/self/fd/$descriptor");
            if (str_starts_with($target, 'socket:')) {
                $sockets["$descriptor"] = $target;
            }
        }

        return $sockets;
    }
}
