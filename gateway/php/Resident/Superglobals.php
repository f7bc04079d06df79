<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use function microtime;

/** What code written for php-fpm finds around itself: `$_SERVER` and the like, anew for each call. */
final class Superglobals
{
    /** @var array<string, mixed> as under php-fpm: the environment, and what the gateway sends with each request */
    private static array $server = [];

    /** Before the application is loaded. */
    public static function begin(): void
    {
        // Of the command line: $argv would make frameworks take this for a command.
        unset($GLOBALS['argv'], $GLOBALS['argc']);
        $runtime = dirname(__DIR__);
        self::$server = [
            'GATEWAY_INTERFACE' => 'CGI/1.1',
            'SERVER_SOFTWARE' => 'fpm-gateway',
            'SERVER_PROTOCOL' => 'HTTP/1.1',
            'REQUEST_METHOD' => 'POST',
            'SCRIPT_FILENAME' => "$runtime/run.php",
            'SCRIPT_NAME' => '/run.php',
            'PHP_SELF' => '/run.php',
        ] + getenv();
        $_SERVER = self::$server;
        $_SERVER['REQUEST_TIME_FLOAT'] = microtime(true);
        $_SERVER['REQUEST_TIME'] = time();
        // X-Powered-By: so that a header that is there after a call is one of its handler.
        header_remove();
    }

    /** When the application is loaded: what it put there is every call's, as `APP_ENV` of a `.env` file. */
    public static function keep(): void
    {
        self::$server = $_SERVER;
    }

    /** Where many calls run at once there is none whose they could be. */
    public static function leave(): void
    {
        $_GET = $_POST = $_COOKIE = $_FILES = $_REQUEST = [];
        $_SERVER = self::$server;
    }

    /**
     * Before each call. What the last one wrote there is gone.
     *
     * @param string $call `<budget, ms> <traceparent>[ <outer>]`: for clients made without a call
     */
    public static function renew(string $function, string $attemptId, string $call): void
    {
        $_GET = $_POST = $_COOKIE = $_FILES = $_REQUEST = [];
        $now = microtime(true);
        $_SERVER = self::$server;
        $_SERVER['REQUEST_URI'] = "/functions/$function";
        $_SERVER['FPMG_FUNCTION'] = $function;
        $_SERVER['FPMG_ATTEMPT_ID'] = $attemptId;
        $_SERVER['FPMG_CALL'] = $call;
        $_SERVER['REQUEST_TIME_FLOAT'] = $now;
        $_SERVER['REQUEST_TIME'] = (int) $now;
    }
}
