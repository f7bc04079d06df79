<?php

declare(strict_types=1);

namespace FpmGateway;

/** Runs an existing script as a web server would, and tells the gateway on STDERR how it ended: STDOUT is the script's. */
final class Script
{
    /** What php.ini-production says: many scripts send headers after their first output. */
    private const BUFFER_BYTES = 4096;
    private const MAX_MESSAGE_BYTES = 1000;

    private static string $attemptId;
    private static Outcome $outcome;
    private static ?string $reserve;
    /** @var array{outcome: string, exception: array<string, mixed>}|null */
    private static ?array $fatal = null;

    /** The path of the file to run. */
    public static function begin(): string
    {
        self::$outcome = new Outcome();
        // Freed when memory has run out, so that the end can still be told.
        self::$reserve = str_repeat('x', 65_536);
        self::$attemptId = (string) $_SERVER['FPMG_ATTEMPT_ID'];
        $file = (string) $_SERVER['FPMG_SCRIPT'];
        $buffers = $_SERVER['FPMG_BUFFERS'] === '1';
        unset($_SERVER['FPMG_ATTEMPT_ID'], $_SERVER['FPMG_SCRIPT'], $_SERVER['FPMG_BUFFERS']);
        // For getenv() alone: a script that passes its variables on, or shows them, need not tell of ours.
        unset($_SERVER['FPMG_CALL'], $_SERVER['FPMG_FUNCTION'], $_SERVER['FPMG_GATEWAY'], $_SERVER['FPMG_CACHE'], $_SERVER['FPMG_GRACE']);
        $_SERVER['SCRIPT_FILENAME'] = $file;
        chdir(dirname($file));
        register_shutdown_function(self::tellEnd(...), true);
        if ($buffers) {
            ob_start(null, self::BUFFER_BYTES);
        }

        return $file;
    }

    /**
     * First among the shutdown functions, so that none can prevent it, and again behind those of the script, so that
     * nothing they log can push it out of what the gateway keeps of STDERR.
     */
    private static function tellEnd(bool $first): void
    {
        self::$reserve = null;
        // The first that counts: what a shutdown function meets later replaces it.
        $fatal = self::$fatal ??= Outcome::fatal();
        if ($first) {
            register_shutdown_function(self::tellEnd(...), false);
        }
        if ($fatal !== null) {
            $fatal['exception']['message'] = substr($fatal['exception']['message'], 0, self::MAX_MESSAGE_BYTES);
        }
        $meta = ($fatal ?? ['outcome' => 'script-ended']) + self::$outcome->usage();
        $json = (string) json_encode($meta, JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR);
        // 4: straight to FastCGI, whatever the script did to error_log and log_errors.
        error_log(sprintf('FPMG1 %s %d %s', self::$attemptId, strlen($json), $json), 4);
    }
}
