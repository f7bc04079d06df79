<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Outcome;
use FpmGateway\Resets;
use FpmGateway\Resident\Application;
use FpmGateway\Resident\Behind;
use FpmGateway\Resident\Connection;
use FpmGateway\Resident\Fork;
use FpmGateway\Resident\Handling;
use FpmGateway\Resident\Listening;
use FpmGateway\Resident\Printed;
use FpmGateway\Resident\Priming;
use FpmGateway\Resident\Process;
use FpmGateway\Resident\Requests;
use FpmGateway\Resident\Sentinel;
use FpmGateway\Resident\Signals;
use FpmGateway\Resident\Start;
use FpmGateway\Resident\Stderr;
use FpmGateway\Resident\Superglobals;
use FpmGateway\Runtime;
use FpmGateway\Wait;

/** A worker that runs many calls at once: put together, its life, and its end. */
final class Worker
{
    private readonly int $pid;
    private readonly Stderr $stderr;
    private readonly Output $output;
    private readonly Waiting $waiting;
    private readonly Requests $requests;
    private readonly Behind $behind;
    private readonly Surroundings $surroundings;
    private readonly Slices $slices;
    private readonly Answers $answers;
    private readonly Loop $loop;
    /** Freed when memory has run out, so that the envelope can still be written. */
    private ?string $reserve;

    public static function live(Listening $listening, Application $application, Start $start, ?Sentinel $sentinel, int $bornNs): never
    {
        $signals = $application->loaded ? Signals::hold() : null;
        $marks = Marks::at($listening->path . '.begun');
        $connection = $listening->accept();
        if ($connection === null) {
            Process::end(0);
        }
        $worker = new self($connection, $application, $start, $sentinel, $marks, $bornNs);
        Process::atEnd($worker->afterEnd(...));
        Printed::begin();
        if ($application->loaded) {
            $worker->loaded($signals);
        }
        $worker->serve();
    }

    private function __construct(
        private readonly Connection $connection,
        private readonly Application $application,
        Start $start,
        private readonly ?Sentinel $sentinel,
        Marks $marks,
        int $bornNs,
    ) {
        $this->reserve = str_repeat('x', Runtime::RESERVE_BYTES);
        $this->pid = (int) getmypid();
        $this->stderr = new Stderr($start->uploads);
        $this->output = new Output($connection);
        $this->waiting = new Waiting($this->output, $this->pid);
        $this->requests = new Requests($start->uploads, $this->waiting->live);
        $this->behind = new Behind($sentinel, $this->pid);
        $handling = new Handling($application, false);
        $memory = new Memory((int) $start->callMemoryBytes);
        $calls = new Calls($handling, $this->behind, $this->waiting, $this->output, $memory, $marks, $this->pid);
        $this->surroundings = new Surroundings($this->stderr, $this->behind);
        $this->slices = new Slices($this->waiting, $this->surroundings, $this->output, $this->behind, $this->pid);
        $this->answers = new Answers($this->behind, $this->surroundings, $this->waiting->live, $this->pid);
        $priming = new Priming($application, $bornNs);
        $this->loop = new Loop($connection, $this->requests, $this->waiting, $calls, $memory, $this->slices, $this->answers, $this->output, $priming, $this->loaded(...));
    }

    private function loaded(?Signals $signals): void
    {
        Superglobals::leave();
        Wait::$scheduler = $this->waiting;
        $this->slices->signals = $signals;
        $this->sentinel?->watchSettings($this->application->setting());
        $this->sentinel?->begin($this->application->app, $this->application->runs());
        $this->surroundings->interleaving = $this->sentinel?->interleave();
    }

    private function serve(): never
    {
        $status = 0;
        try {
            while ($this->loop->turn()) {
            }
        } catch (\Throwable $broken) {
            $this->stderr->tellEnd($broken);
            $status = Process::BROKEN;
        }
        $this->drop();
        $this->connection->end();
        Process::end($status);
    }

    /** Whatever ended PHP but a kill: the only place where exit() and fatal errors can be seen. */
    private function afterEnd(): void
    {
        Fork::endIn($this->pid);
        $this->slices->signals?->end();
        $this->reserve = null;
        $task = $this->waiting->running ?? $this->answers->task;
        $fatal = Outcome::fatal();
        // What calls hold is still there. This process ends in any case: its last answers may take what they need.
        @ini_set('memory_limit', '-1');
        if ($this->output->isWriting) {
            return;
        }
        if ($task !== null && !$task->reply->within) {
            $task->ended = true;
            $this->surroundings->suspended($task);
            $this->answers->endAbruptly($task, Handling::members($fatal ?? ['outcome' => 'exit']));
        }
        $this->output->write($this->requests->last($this->connection));
        $this->output->flush();
        $this->drop();
        $this->connection->end();
        if ($fatal === null && $task?->call !== null && $this->answers->task === null) {
            foreach (Resets::own($task->call->takeResets()) as $leak) {
                $this->stderr->tell("A reset hook threw behind a call that ended PHP: $leak[name], $leak[detail].");
            }
        }
    }

    /** Files of calls that will not be answered. */
    private function drop(): void
    {
        $this->waiting->ends = true;
        $this->requests->drop();
        foreach ($this->waiting->live->tasks as $task) {
            $task->request->uploads?->remove();
        }
    }
}
