<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Fork;

use function chr;
use function pack;
use function strlen;
use function substr;

/** Nested calls, on the worker's own connection: they need no descriptors. */
final class Nested
{
    private const PIECE_BYTES = 65_520;
    private const CALL = "\x01\x0C";
    private const CANCEL = "\x01\x0D";
    private const LAST = 1;

    public function __construct(private readonly Live $live, private readonly Output $output, private readonly int $pid)
    {
    }

    public function call(Task $task, string $message): int
    {
        Fork::endIn($this->pid);
        $number = $this->live->call($task);
        $bytes = strlen($message);
        for ($at = 0; $at === 0 || $at < $bytes; $at += self::PIECE_BYTES) {
            $piece = $bytes <= self::PIECE_BYTES ? $message : substr($message, $at, self::PIECE_BYTES);
            $this->record(self::CALL, $task, $number, $at + self::PIECE_BYTES < $bytes ? 0 : self::LAST, $piece);
        }

        return $number;
    }

    public function cancel(Task $task, int $number): void
    {
        if ($this->live->cancel($task, $number)) {
            $this->record(self::CANCEL, $task, $number, self::LAST, '');
        }
    }

    private function record(string $type, Task $task, int $number, int $flags, string $piece): void
    {
        $this->output->write($type . $task->request->id . pack('n', strlen($piece) + 5) . "\0\0" . pack('N', $number) . chr($flags) . $piece);
    }
}
