<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Leaks\Leak;

/**
 * Output buffers that a call opened and holds while it waits: set aside, or they would swallow what others print, and
 * the others would end them. `ob_start(); $call->sleep(5); $page = ob_get_clean();` gets its own page.
 */
final class Buffers
{
    /** More are a call that opens them without end. */
    private const MAX = 256;
    private const PLAIN = 'default output handler';
    /** What has callbacks run. */
    private const RUN = ['ob_clean', 'ob_flush', 'ob_end_clean', 'ob_end_flush', 'ob_get_clean', 'ob_get_flush'];

    /** @var list<array{string, int, int}> from the lowest on: what is in it, its chunk size, what may be done with it */
    private array $kept = [];
    /** @var list<array{kind: string, name: string, detail: string, restored: bool}> */
    public array $leaks = [];

    private function __construct()
    {
    }

    /**
     * When a call begins to wait, in the loop.
     *
     * @param int $level what is above is the call's
     */
    public static function setAside(int $level): self
    {
        $self = new self();
        $statuses = ob_get_status(true);
        for ($at = count($statuses) - 1; $at >= $level; --$at) {
            if (!$self->take($statuses[$at])) {
                break;
            }
        }
        $self->kept = array_reverse($self->kept);

        return $self;
    }

    /**
     * Whether the callback of one runs. PHP runs one at a time: meanwhile no other call could open a buffer, and to set
     * this one aside frees what PHP still uses, which ended the process by SIGSEGV.
     */
    public static function areInCallback(): bool
    {
        foreach (ob_get_status(true) as $status) {
            // A full one is emptied behind its callback.
            if ($status['chunk_size'] > 0 && $status['buffer_used'] >= $status['chunk_size']) {
                return true;
            }
        }
        foreach (debug_backtrace(DEBUG_BACKTRACE_IGNORE_ARGS) as $frame) {
            if (!isset($frame['class']) && in_array($frame['function'], self::RUN, true)) {
                return true;
            }
        }

        return false;
    }

    /** When it goes on. */
    public function restore(): void
    {
        foreach ($this->kept as [$contents, $chunk, $flags]) {
            ob_start(null, $chunk, $flags);
            echo $contents;
        }
    }

    /** @param array{name: string, flags: int, chunk_size: int} $status of the uppermost */
    private function take(array $status): bool
    {
        if (($status['flags'] & PHP_OUTPUT_HANDLER_REMOVABLE) === 0) {
            // Told once more, and the worker replaced for it, at the call's end.
            return false;
        }
        $contents = (string) ob_get_contents();
        if (count($this->kept) < self::MAX) {
            $this->kept[] = [$contents, $status['chunk_size'], $status['flags'] & PHP_OUTPUT_HANDLER_STDFLAGS];
        } else {
            $this->leaks[] = Leak::of('output-buffer', $status['name'], sprintf('more than %d were open when the call began to wait: closed', self::MAX), true);
        }
        $thrown = '';
        try {
            // A callback is told that this is the end, and that what it returns is not wanted.
            @ob_end_clean();
        } catch (\Throwable $error) {
            // It is removed all the same.
            $thrown = ', and threw ' . $error::class . ': ' . Leak::cut($error->getMessage());
        }
        if ($status['name'] !== self::PLAIN) {
            $why = 'open when the call began to wait: closed, and opened again without its callback, which PHP does not hand out';
            $this->leaks[] = Leak::of('output-buffer', Leak::cut($status['name']), $why . $thrown, true);
        }

        return true;
    }
}
