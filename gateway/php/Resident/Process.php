<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Cache;
use FpmGateway\Outcome;
use FpmGateway\Runtime;

/**
 * The life of one process: a master that forks workers, or a worker by itself where PHP cannot fork.
 *
 * What it is at its end decides what the end means, so one shutdown function, registered before the application's,
 * asks the one that is in charge at that time.
 */
final class Process
{
    /** Told to the gateway, as the status this process ends with. */
    public const BROKEN = 70;

    private static int $startedNs;
    /** @var (\Closure(): void)|null */
    private static ?\Closure $atEnd = null;

    public static function main(): void
    {
        self::$startedNs = hrtime(true);
        Stderr::hold();
        Superglobals::begin();
        register_shutdown_function(static function (): void {
            if (self::$atEnd !== null) {
                (self::$atEnd)();
            }
        });
        try {
            $control = Control::open();
            $line = $control->line(null);
            if ($line !== null) {
                $control->signWith((string) ($line['key'] ?? ''));
                // No worker has it: this stays on the stack of each.
                unset($line['key']);
                self::start(Start::of($line), $control);
            }
        } catch (Malformed $malformed) {
            file_put_contents('php://stderr', $malformed->getMessage() . "\n");
            self::end(self::BROKEN);
        }
        self::end(0);
    }

    /** What must be done when PHP ends now, in whatever way but a kill. */
    public static function atEnd(?\Closure $do): void
    {
        self::$atEnd = $do;
    }

    /** An end that is meant. */
    public static function end(int $status): never
    {
        self::$atEnd = null;
        exit($status);
    }

    private static function start(Start $start, Control $control): void
    {
        if ($start->title !== '' && function_exists('cli_set_process_title')) {
            @cli_set_process_title($start->title);
        }
        $forks = $start->socket === null && function_exists('pcntl_fork') && function_exists('pcntl_waitpid');
        if ($start->socket === null && !$forks) {
            $control->tell(self::ready(false, 0.0, ''));
            // The gateway starts one process for each worker instead, and ends this one.
            while ($control->line(null) !== null) {
            }

            return;
        }
        $listening = $start->socket === null ? null : Listening::at($start->socket);
        $application = new Application($start);
        $files = new OpenFiles();
        if (!$start->inWorker && !self::load($application, $control, $forks ? $files : null)) {
            return;
        }
        $sentinel = $start->sentinel === null ? null : new Sentinel($start->sentinel);
        if ($application->loaded) {
            $sentinel?->prepare($application->app, $application->runs());
        }
        $control->tell(self::ready($forks, (hrtime(true) - self::$startedNs) / 1e6, $application->stray));
        if ($forks) {
            // What is garbage now would be copied into each fork as soon as it is collected there.
            gc_collect_cycles();
            $listening = (new Master($control))->run();
            if ($listening === null) {
                return;
            }
            self::$startedNs = hrtime(true);
        }
        $control->close();
        $live = $start->callMemoryBytes === null ? Worker::live(...) : Fibers\Worker::live(...);
        $live($listening, $application, $start, $sentinel, self::$startedNs);
    }

    /** False: it cannot be shared by forks, and the gateway was told why. */
    private static function load(Application $application, Control $control, ?OpenFiles $files): bool
    {
        $unshared = null;
        $pid = getmypid();
        self::atEnd(static function () use ($application, $control, $pid): void {
            if (getmypid() !== $pid) {
                Fork::end();
            }
            $fatal = Outcome::fatal();
            $control->tell(['event' => 'failed', 'file' => $application->loading] + ($fatal === null
                ? ['reason' => 'exit', 'message' => 'It ended PHP by exit().']
                : [
                    'reason' => $fatal['outcome'] === 'out-of-memory' ? 'memory' : 'fatal',
                    'message' => $fatal['exception']['message'],
                    'exception' => $fatal['exception'],
                ]));
            self::end(1);
        });
        try {
            $application->load($files === null ? null : static function (string $file) use ($files, &$unshared): void {
                // A connection to the cache is nobody's state: each fork opens its own.
                if (class_exists(Cache::class, false)) {
                    Cache::disconnect();
                }
                $unshared ??= $files->unshared($file);
            });
        } catch (\Throwable $thrown) {
            $control->tell(['event' => 'failed', 'file' => $application->loading, 'exception' => Runtime::describe($thrown)]);
            self::end(1);
        }
        if (getmypid() !== $pid) {
            // The bootstrap forked, and this is what it forked.
            Fork::end();
        }
        self::atEnd(null);
        Stderr::refill();
        if ($unshared !== null) {
            $control->tell(['event' => 'unshared', 'why' => $unshared]);
        }

        return $unshared === null;
    }

    /** @return array<string, mixed> */
    private static function ready(bool $forks, float $bootstrapMs, string $stray): array
    {
        return [
            'event' => 'ready',
            'pid' => getmypid(),
            'forks' => $forks,
            'bootstrapMs' => round($bootstrapMs, 3),
            'memoryBytes' => memory_get_usage(),
            'phpVersion' => PHP_VERSION,
        ] + ($stray === '' ? [] : ['stray' => $stray]);
    }
}
