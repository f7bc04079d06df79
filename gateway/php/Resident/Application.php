<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\InputClass;
use FpmGateway\Runtime;

/** What is loaded once and serves many calls: the pool's bootstrap and the handlers. */
final class Application
{
    private const MAX_STRAY_BYTES = 512;
    /** In a comment, too: then its calls take 25 µs longer, and that is all. */
    private const SETS = '/\b(?:ini_set|ini_alter|ini_restore|set_include_path|putenv|setlocale)\b/i';

    /** @var array<string, Handler> by the function's name */
    public array $handlers = [];
    /** What the bootstrap returned: handlers get it as their third argument. */
    public mixed $app = null;
    public bool $loaded = false;
    /** The beginning of what the bootstrap printed. */
    public string $stray = '';
    /** The file that runs now: the one to name when PHP ends in it. */
    public string $loading = '';

    public function __construct(private readonly Start $start)
    {
    }

    /** @param (callable(string): void)|null $behindEach file that was loaded */
    public function load(?callable $behindEach = null): void
    {
        if ($this->start->bootstrap !== '') {
            $this->loading = $this->start->bootstrap;
            $returned = $this->printing(fn (): mixed => Runtime::load($this->loading), $this->stray);
            // What require says of a file without a return, or of one that was loaded before.
            $this->app = $returned === 1 || $returned === true ? null : $returned;
            $behindEach === null || $behindEach($this->loading);
        }
        /** @var array<string, Handler> $byFile a file that serves two functions is loaded once: its classes cannot be declared twice */
        $byFile = [];
        foreach ($this->start->functions as ['name' => $name, 'file' => $file, 'streams' => $streams]) {
            $this->loading = $file;
            $known = $byFile[$file] ?? null;
            $this->handlers[$name] = $byFile[$file] = $known === null
                ? $this->handler($name, $file, $streams)
                : new Handler($name, $file, $streams, $known->run, $known->class, $known->exception, '', $known->sets);
            $behindEach === null || $behindEach($file);
        }
        $this->loading = '';
        Superglobals::keep();
        $this->loaded = true;
    }

    /** @return array<string, \Closure> the handlers that load, by function */
    public function runs(): array
    {
        return array_filter(array_map(static fn (Handler $handler): ?\Closure => $handler->run, $this->handlers));
    }

    /** @return list<string> functions whose handlers' files name what changes php.ini or the environment */
    public function setting(): array
    {
        return array_keys(array_filter($this->handlers, static fn (Handler $handler): bool => $handler->sets));
    }

    /** @return list<array<string, mixed>> for the gateway */
    public function told(): array
    {
        $told = [];
        foreach ($this->handlers as $handler) {
            $told[] = [
                'name' => $handler->name,
                'inputClass' => $handler->class,
                'exception' => $handler->exception,
                'stray' => $handler->stray,
                'habits' => Habits::of($handler->file),
            ];
        }

        return $told;
    }

    private function handler(string $name, string $file, ?string $streams): Handler
    {
        $stray = '';
        try {
            $run = $this->printing(static fn (): mixed => Runtime::load($file), $stray);
            if (!is_callable($run)) {
                throw Runtime::notCallable($file, $run);
            }

            return new Handler($name, $file, $streams, \Closure::fromCallable($run), InputClass::of($run), null, $stray, self::sets($file));
        } catch (\Throwable $thrown) {
            return new Handler($name, $file, $streams, null, null, Runtime::describe($thrown), $stray, false);
        }
    }

    private static function sets(string $file): bool
    {
        return preg_match(self::SETS, (string) file_get_contents($file)) === 1;
    }

    private function printing(callable $do, string &$stray): mixed
    {
        $level = ob_get_level();
        ob_start();
        try {
            return $do();
        } finally {
            while (ob_get_level() > $level + 1 && @ob_end_flush()) {
            }
            if (ob_get_level() > $level) {
                $stray = substr((string) ob_get_clean(), 0, self::MAX_STRAY_BYTES);
            }
        }
    }
}
