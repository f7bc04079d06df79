<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * What belongs to the process and has one right value: the one it had when the application stood. Compared and put
 * back by the full comparison; 25 µs when nothing has changed.
 */
final class Settings
{
    /** `pcntl_signal()` of these is looked at. */
    private const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGPIPE', 'SIGALRM', 'SIGTERM', 'SIGCHLD'];

    /** Limits of the whole process: not for one of several calls to set. */
    public const OF_ALL = ['max_execution_time', 'memory_limit'];

    /** @var array<string, string|null> */
    private readonly array $ini;
    /** @var array<string, string> */
    private readonly array $environment;
    /** @var list<callable> */
    private readonly array $autoloaders;
    /** @var list<string> */
    private readonly array $wrappers;
    /** @var array<string, mixed> */
    private readonly array $context;
    /** @var array<int, mixed> */
    private readonly array $signals;
    private readonly bool $asyncSignals;
    private readonly bool $hasSignals;
    /** An alarm of the application's own must go on. */
    private readonly bool $ownAlarm;
    /** @var list<\Closure(): mixed> as in ProcessState, of php.ini and the environment */
    private array $again = [];

    public function __construct()
    {
        $this->ini = self::ini();
        $this->environment = getenv();
        $this->autoloaders = spl_autoload_functions();
        $this->wrappers = stream_get_wrappers();
        $this->context = self::contextOptions();
        $this->hasSignals = function_exists('pcntl_signal_get_handler');
        $this->signals = $this->signals();
        $this->asyncSignals = $this->hasSignals && pcntl_async_signals();
        $left = $this->hasSignals ? pcntl_alarm(0) : 0;
        if ($left > 0) {
            pcntl_alarm($left);
        }
        $this->ownAlarm = $left > 0;
    }

    /** @return list<\Closure(): mixed> */
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
        $ini = self::ini();
        if ($ini !== $this->ini) {
            array_push($leaks, ...$this->putBackIni($ini));
        }
        $environment = getenv();
        if ($environment !== $this->environment) {
            array_push($leaks, ...$this->putBackEnvironment($environment));
        }
        $now = spl_autoload_functions();
        foreach ($now === $this->autoloaders ? [] : $this->autoloaders as $autoloader) {
            if (!in_array($autoloader, $now, true) && is_callable($autoloader)) {
                spl_autoload_register($autoloader);
                $leaks[] = Leak::of('autoloader', 'spl_autoload_unregister()', Leak::showCallable($autoloader) . ' → none', true);
            }
        }
        foreach (array_diff($this->wrappers, stream_get_wrappers()) as $wrapper) {
            $leaks[] = Leak::of('stream-wrapper', "$wrapper://", 'unregistered', @stream_wrapper_restore($wrapper));
        }
        $context = self::contextOptions();
        if ($context !== $this->context) {
            // Options can be set and never be taken out.
            stream_context_set_default($this->context);
            $leaks[] = Leak::change('stream-context', 'stream_context_set_default()', $this->context, $context, self::contextOptions() === $this->context);
        }
        if ($this->hasSignals) {
            array_push($leaks, ...$this->putBackSignals());
        }

        return $leaks;
    }

    /** @return array<string, string|null> */
    private static function ini(): array
    {
        return ini_get_all(null, false) ?: [];
    }

    /**
     * @param array<string, string|null> $now
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    private function putBackIni(array $now): array
    {
        $leaks = [];
        foreach ($now as $name => $value) {
            // An extension that was loaded meanwhile brings new ones.
            $own = array_key_exists($name, $this->ini) ? $this->ini[$name] : $value;
            if ($own === $value) {
                continue;
            }
            if ($own === null || @ini_set($name, $own) === false) {
                ini_restore($name);
            }
            if ($value !== null && !in_array($name, self::OF_ALL, true)) {
                $this->again[] = static fn (): mixed => @ini_set($name, $value);
            }
            $leaks[] = Leak::change('ini', $name, $own, $value, (string) ini_get($name) === (string) $own);
        }

        return $leaks;
    }

    /**
     * @param array<string, string> $now
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    private function putBackEnvironment(array $now): array
    {
        $leaks = [];
        foreach ($now + $this->environment as $name => $ignored) {
            $from = $this->environment[$name] ?? null;
            $to = $now[$name] ?? null;
            if ($from === $to) {
                continue;
            }
            putenv($from === null ? (string) $name : "$name=$from");
            $this->again[] = static fn (): bool => putenv($to === null ? (string) $name : "$name=$to");
            $leaks[] = Leak::change('env', (string) $name, $from, $to, getenv((string) $name) === ($from ?? false));
        }

        return $leaks;
    }

    /** @return array<string, mixed> */
    private static function contextOptions(): array
    {
        return stream_context_get_options(stream_context_get_default());
    }

    /** @return array<int, mixed> */
    private function signals(): array
    {
        $handlers = [];
        foreach ($this->hasSignals ? self::SIGNALS : [] as $name) {
            $signal = constant($name);
            $handlers[$signal] = pcntl_signal_get_handler($signal);
        }

        return $handlers;
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    private function putBackSignals(): array
    {
        $leaks = [];
        foreach ($this->signals() as $signal => $handler) {
            if ($handler !== $this->signals[$signal]) {
                $restored = @pcntl_signal($signal, $this->signals[$signal]);
                $leaks[] = Leak::of('signal', "pcntl_signal($signal)", self::showSignal($this->signals[$signal]) . ' → ' . self::showSignal($handler), $restored);
            }
        }
        if (pcntl_async_signals() !== $this->asyncSignals) {
            pcntl_async_signals($this->asyncSignals);
            $leaks[] = Leak::change('signal', 'pcntl_async_signals()', $this->asyncSignals, !$this->asyncSignals, true);
        }
        if (!$this->ownAlarm) {
            $left = pcntl_alarm(0);
            if ($left > 0) {
                // It would have ended this worker within a later call.
                $leaks[] = Leak::of('alarm', 'pcntl_alarm()', "due in $left s", true);
            }
        }

        return $leaks;
    }

    private static function showSignal(mixed $handler): string
    {
        return match ($handler) {
            0 => 'default',
            1 => 'ignored',
            default => Leak::showCallable($handler),
        };
    }
}
