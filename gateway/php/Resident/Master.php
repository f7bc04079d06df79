<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Quiet;

/** Has everything loaded, and forks a worker when the gateway asks for one: milliseconds instead of a bootstrap. */
final class Master
{
    /** A signal between two waits would else be seen at the next line only. */
    private const LOOK_MS = 1000;

    /** @var array<int, true> the workers, by pid: children of the application are not ours to reap */
    private array $workers = [];

    public function __construct(private readonly Control $control)
    {
    }

    /** Null at the gateway's end; in a fork, the socket of the new worker. */
    public function run(): ?Listening
    {
        $async = pcntl_async_signals(true);
        // It need do nothing: it ends the wait for a line.
        pcntl_signal(SIGCHLD, static function (): void {
        });
        while (!$this->control->ended()) {
            $line = $this->control->line(self::LOOK_MS);
            if ($line !== null && $line['op'] === 'fork') {
                $listening = $this->fork((int) $line['id'], (string) $line['socket']);
                if ($listening !== null) {
                    pcntl_signal(SIGCHLD, SIG_DFL);
                    // A call that takes too long is ended by it, whatever the bootstrap made of it.
                    pcntl_signal(SIGTERM, SIG_DFL);
                    pcntl_async_signals($async);

                    return $listening;
                }
            }
            $this->reap();
        }

        return null;
    }

    private function fork(int $id, string $socket): ?Listening
    {
        try {
            $listening = Listening::at($socket);
        } catch (\RuntimeException $impossible) {
            $this->control->tell(['event' => 'refused', 'id' => $id, 'message' => $impossible->getMessage()]);

            return null;
        }
        $pid = Quiet::run(pcntl_fork(...)) ?? -1;
        if ($pid === 0) {
            // Each fork would else draw the same numbers.
            mt_srand();

            return $listening;
        }
        $listening->close();
        if ($pid < 0) {
            Quiet::run(static fn (): bool => unlink($socket));
            $message = sprintf('The system refused to fork: %s.', pcntl_strerror(pcntl_get_last_error()));
            $this->control->tell(['event' => 'refused', 'id' => $id, 'message' => $message]);

            return null;
        }
        $this->workers[$pid] = true;
        $this->control->tell(['event' => 'forked', 'id' => $id, 'pid' => $pid]);

        return null;
    }

    private function reap(): void
    {
        foreach (array_keys($this->workers) as $pid) {
            if (pcntl_waitpid($pid, $status, WNOHANG) === $pid) {
                unset($this->workers[$pid]);
                $this->control->tell(['event' => 'exited', 'pid' => $pid] + (pcntl_wifsignaled($status)
                    ? ['signal' => pcntl_wtermsig($status)]
                    : ['status' => pcntl_wexitstatus($status)]));
            }
        }
    }
}
