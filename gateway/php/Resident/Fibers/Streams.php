<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Leaks\Quiet;

use function intdiv;
use function is_resource;

/** Streams that calls wait for, beside the worker's own connection. */
final class Streams
{
    /** @var array<int, resource> */
    private array $read = [];
    /** @var array<int, resource> */
    private array $write = [];
    /** @var array<int, array{Task, array-key}> whose each is, and what it is called there */
    private array $owners = [];
    private int $last = 0;

    /**
     * @param array<array-key, resource> $read
     * @param array<array-key, resource> $write
     */
    public function watch(Task $task, array $read, array $write): void
    {
        $task->ready = [[], []];
        foreach ($read as $key => $stream) {
            $this->read[++$this->last] = $stream;
            $this->owners[$this->last] = [$task, $key];
            $task->watched[] = $this->last;
        }
        foreach ($write as $key => $stream) {
            $this->write[++$this->last] = $stream;
            $this->owners[$this->last] = [$task, $key];
            $task->watched[] = $this->last;
        }
    }

    public function forget(Task $task): void
    {
        foreach ($task->watched as $number) {
            unset($this->read[$number], $this->write[$number], $this->owners[$number]);
        }
        $task->watched = [];
    }

    public function areWatched(): bool
    {
        return $this->owners !== [];
    }

    /**
     * Waits until one of them, or the connection, is ready. Calls whose streams are find them in `ready`.
     *
     * @param resource $connection
     * @param int|null $waitMs     null: as long as it takes
     * @param bool     $came       there is something to be read from the connection
     *
     * @return array<int, Task>
     */
    public function select($connection, ?int $waitMs, bool &$came): array
    {
        $came = false;
        // PHP passes over what a handler closed while another one waits for it: that one would wait on.
        $closed = $this->refused(false);
        if ($closed !== []) {
            return $closed;
        }
        $read = $this->read;
        $read[0] = $connection;
        $write = $this->write;
        $none = null;
        try {
            $found = @stream_select($read, $write, $none, $waitMs === null ? null : intdiv($waitMs, 1000), $waitMs === null ? null : $waitMs % 1000 * 1000);
        } catch (\Throwable $thrown) {
            // An error handler made an exception of a warning, as of a signal's.
            $found = is_resource($connection) ? false : throw $thrown;
        }
        if ($found === false) {
            return $this->refused(true);
        }
        $came = isset($read[0]);
        unset($read[0]);

        return $this->ready($read, 0) + $this->ready($write, 1);
    }

    /**
     * Those for which nobody can wait any more: their calls find out when they read.
     *
     * @param bool $asks the system, too
     *
     * @return array<int, Task>
     */
    private function refused(bool $asks): array
    {
        $tasks = [];
        foreach ([$this->read, $this->write] as $which => $streams) {
            foreach ($streams as $number => $stream) {
                if (!is_resource($stream) || ($asks && !self::canWait($stream))) {
                    $tasks += $this->ready([$number => $stream], $which);
                }
            }
        }

        return $tasks;
    }

    /** @param resource $stream */
    private static function canWait($stream): bool
    {
        $read = [$stream];
        $none = null;

        return Quiet::run(static fn (): int|false => stream_select($read, $none, $none, 0)) !== false;
    }

    /**
     * @param array<int, resource> $streams
     *
     * @return array<int, Task>
     */
    private function ready(array $streams, int $which): array
    {
        $tasks = [];
        foreach ($streams as $number => $_) {
            [$task, $key] = $this->owners[$number];
            $task->ready[$which][] = $key;
            $tasks[$task->number] = $task;
        }

        return $tasks;
    }
}
