<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Leak;

use function pcntl_alarm;
use function pcntl_async_signals;

/**
 * Signal handlers of the application run where its code runs, and nowhere else: one that throws would lose what was
 * read of a request, or end a worker that waits for one. Made when the application is loaded.
 */
final class Signals
{
    /** An alarm of the application's own must go on. */
    private readonly bool $ownAlarm;

    private function __construct(private readonly bool $async)
    {
        $left = pcntl_alarm(0);
        if ($left > 0) {
            pcntl_alarm($left);
        }
        $this->ownAlarm = $left > 0;
    }

    /** Null where PHP knows no signals. */
    public static function hold(): ?self
    {
        if (!\function_exists('pcntl_async_signals') || !\function_exists('pcntl_alarm')) {
            return null;
        }

        return new self(self::off());
    }

    /** Before a handler. */
    public function begin(): void
    {
        if ($this->async) {
            // Of those that came in the meantime no call is told.
            try {
                \pcntl_signal_dispatch();
            } catch (\Throwable) {
            }
            pcntl_async_signals(true);
        }
    }

    /**
     * Behind a handler. An alarm that it left would end a later call: looked for after every one, 0.4 µs.
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public function end(): array
    {
        $async = self::off();
        $leftS = $this->ownAlarm ? 0 : pcntl_alarm(0);
        if ($async === $this->async && $leftS === 0) {
            return [];
        }
        $leaks = $leftS === 0 ? [] : [Leak::of('alarm', 'pcntl_alarm()', "due in $leftS s", true)];

        return $async === $this->async ? $leaks : [...$leaks, Leak::change('signal', 'pcntl_async_signals()', $this->async, $async, true)];
    }

    /** Whether they were on. */
    private static function off(): bool
    {
        $async = pcntl_async_signals();
        try {
            pcntl_async_signals(false);
        } catch (\Throwable) {
            // The handler of one that came just now. They are off all the same.
        }

        return $async;
    }
}
