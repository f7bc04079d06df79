<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Call;
use FpmGateway\Debug\Hooks;
use FpmGateway\Resets;
use FpmGateway\Resident\Behind;
use FpmGateway\Resident\Handling;
use FpmGateway\Resident\Malformed;
use FpmGateway\Resident\Reply;
use FpmGateway\Resident\Request;
use FpmGateway\Resident\Requests;
use FpmGateway\Runtime;

use function explode;
use function hrtime;
use function memory_reset_peak_usage;
use function strpos;
use function substr;

/** Calls begin, and run in their Fibers until their answer is known. */
final class Calls
{
    private readonly Runners $runners;
    private readonly bool $resetsPeak;
    /** `dev --xdebug` has loaded what looks at calls. */
    private readonly bool $debugged;
    private int $begun = 0;

    public function __construct(
        private readonly Handling $handling,
        private readonly Behind $behind,
        private readonly Waiting $waiting,
        private readonly Output $output,
        private readonly Memory $memory,
        private readonly Marks $marks,
        private readonly int $pid,
    ) {
        $this->runners = new Runners($this->run(...));
        $this->resetsPeak = function_exists('memory_reset_peak_usage');
        $this->debugged = class_exists(Hooks::class, false);
    }

    /** One that is about to run; null where there is no room: the gateway was told. */
    public function begin(Request $request): ?Task
    {
        $parts = explode(' ', $request->call, 5);
        if (!isset($parts[3])) {
            throw new Malformed('an FPMG_CALL that does not say function, attempt, budget and traceparent');
        }
        $fiber = $this->fiber($parts[0], $request->input);
        if ($fiber === null) {
            $request->uploads?->remove();
            $this->output->write(Requests::neverBegan($request->id));

            return null;
        }
        if ($this->waiting->live->count() === 0) {
            $this->beginAlone();
        }
        $nowNs = hrtime(true);
        $budgetMs = (float) $parts[2];
        // The attempt's id is `<call id>.<number>`.
        $dot = (int) strpos($parts[1], '.');
        $task = new Task(
            ++$this->begun,
            $request,
            new Call(substr($parts[1], 0, $dot), $parts[0], (int) substr($parts[1], $dot + 1), $nowNs, $budgetMs, $parts[3], $parts[4] ?? ''),
            $parts[0],
            $parts[1],
            $nowNs,
            $nowNs + (int) ($budgetMs * 1e6),
            new Reply($this->output),
        );
        $task->fiber = $fiber;
        $this->waiting->live->add($task);
        $this->marks->begun($request->id);

        return $task;
    }

    /** Its Fiber can take another. */
    public function end(Task $task): void
    {
        if ($task->fiber !== null) {
            $this->runners->give($task->fiber);
            $task->fiber = null;
        }
    }

    /** What can only be told of one call, or of all together. */
    private function beginAlone(): void
    {
        if ($this->resetsPeak) {
            memory_reset_peak_usage();
        }
        if ($this->debugged) {
            Hooks::before();
        }
    }

    /** Null where there is no memory for a call beside the others. One alone is begun in any case. */
    private function fiber(string $function, string $input): ?\Fiber
    {
        $isAlone = $this->waiting->live->count() === 0;
        if (!$this->memory->hasRoom($function, $input)) {
            $this->runners->drop();
            $this->memory->collect();
            if (!$isAlone && !$this->memory->hasRoom($function, $input)) {
                return null;
            }
        }
        try {
            return $this->runners->take();
        } catch (\Throwable $impossible) {
            return $isAlone ? throw $impossible : null;
        }
    }

    /** In its Fiber. Nothing is thrown from here. */
    private function run(Task $task): void
    {
        $payload = '';
        try {
            $meta = $this->handling->run($task->function, $task->request, $task->call, new Frames($task, $this->waiting, $this->output, $this->pid), $payload);
        } catch (\Throwable $thrown) {
            $meta = Over::isDeadline($task, $thrown)
                ? Handling::members(['outcome' => 'deadline', 'exception' => Runtime::describe($thrown)])
                : Handling::thrown($thrown, $payload);
            $this->behind->release($thrown);
            array_push($task->leaks, ...$this->behind->takeLate());
        }
        $task->meta = $meta;
        $task->payload = $payload;
        $payload = '';
        try {
            $this->reset($task);
        } catch (\Throwable $thrown) {
            $this->behind->tell($thrown);
        }
        array_push($task->leaks, ...$this->behind->takeLate());
        $task->ended = true;
    }

    private function reset(Task $task): void
    {
        $hooks = $task->call->takeResets();
        if ($hooks !== []) {
            array_push($task->leaks, ...Resets::own($hooks));
            $this->behind->release($hooks);
        }
    }
}
