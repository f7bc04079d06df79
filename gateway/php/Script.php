<?php

declare(strict_types=1);

namespace FpmGateway;

/** Runs an existing script as a web server would, and tells the gateway on STDERR how it ended: STDOUT is the script's. */
final class Script
{
    private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
    /** What php.ini-production says: many scripts send headers after their first output. */
    private const BUFFER_BYTES = 4096;
    private const MAX_MESSAGE_BYTES = 1000;

    private static string $attemptId;
    private static int $startedNs;
    private static float $startedCpuMs;
    private static ?string $reserve;

    /** The path of the file to run. */
    public static function begin(): string
    {
        self::$startedNs = hrtime(true);
        self::$startedCpuMs = self::cpuMs();
        // Freed when memory has run out, so that the end can still be told.
        self::$reserve = str_repeat('x', 65_536);
        self::$attemptId = (string) $_SERVER['FPMG_ATTEMPT_ID'];
        $file = (string) $_SERVER['FPMG_SCRIPT'];
        $buffers = $_SERVER['FPMG_BUFFERS'] === '1';
        unset($_SERVER['FPMG_ATTEMPT_ID'], $_SERVER['FPMG_SCRIPT'], $_SERVER['FPMG_BUFFERS']);
        $_SERVER['SCRIPT_FILENAME'] = $file;
        chdir(dirname($file));
        register_shutdown_function(self::tellEnd(...), true);
        if ($buffers) {
            ob_start(null, self::BUFFER_BYTES);
        }

        return $file;
    }

    /** First among the shutdown functions, so that none can prevent it, and again behind those of the script. */
    private static function tellEnd(bool $first): void
    {
        self::$reserve = null;
        $last = error_get_last();
        $fatal = $last !== null && ($last['type'] & self::FATAL) !== 0;
        if ($first) {
            register_shutdown_function(self::tellEnd(...), false);
        } elseif (!$fatal) {
            return;
        }
        $meta = [
            'outcome' => 'script-ended',
            'pid' => getmypid(),
            'peakBytes' => memory_get_peak_usage(true),
            'cpuMs' => round(self::cpuMs() - self::$startedCpuMs, 3),
            'wallMs' => round((hrtime(true) - self::$startedNs) / 1e6, 3),
        ];
        if ($fatal) {
            // The second is the system's refusal, below the memory_limit.
            $outOfMemory = preg_match('/^(Allowed memory size|Out of memory)/', $last['message']) === 1;
            $meta['outcome'] = $outOfMemory ? 'out-of-memory' : 'fatal';
            $message = substr($last['message'], 0, self::MAX_MESSAGE_BYTES);
            $meta['exception'] = ['class' => 'Fatal error', 'message' => $message, 'file' => $last['file'], 'line' => $last['line']];
        }
        $json = (string) json_encode($meta, JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR);
        // 4: straight to FastCGI, whatever the script did to error_log and log_errors.
        error_log(sprintf('FPMG1 %s %d %s', self::$attemptId, strlen($json), $json), 4);
    }

    private static function cpuMs(): float
    {
        $usage = getrusage();

        return $usage === false ? 0.0 : ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e3
            + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) / 1e3;
    }
}
