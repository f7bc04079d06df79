<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Debug\Hooks;
use FpmGateway\Resets;
use FpmGateway\Resident\Behind;
use FpmGateway\Resident\Handling;
use FpmGateway\Resident\Printed;
use FpmGateway\Resident\Superglobals;
use FpmGateway\Runtime;

use function error_clear_last;
use function hrtime;
use function intdiv;
use function memory_get_peak_usage;
use function memory_get_usage;
use function strlen;
use function substr;

/** What a call has to answer when its Fiber has done its part. */
final class Answers
{
    /** The one whose answer is made now: what ends PHP here is its doing. */
    public ?Task $task = null;
    private int $served = 0;
    private readonly bool $debugged;

    public function __construct(
        private readonly Behind $behind,
        private readonly Surroundings $surroundings,
        private readonly Live $live,
        private readonly int $pid,
    ) {
        $this->debugged = class_exists(Hooks::class, false);
    }

    /** False when the gateway is gone. */
    public function end(Task $task): bool
    {
        $this->task = $task;
        ++$this->served;
        $running = $this->live->count();
        $this->runHooks($task);
        $more = $this->logs($task);
        $call = $task->call;
        $task->call = null;
        $this->behind->release($call);
        $task->request->uploads?->remove();
        $this->live->remove($task);
        error_clear_last();
        if ($running === 1) {
            $this->alone($task);
        }
        $this->surroundings->ended($task);
        if ($this->behind->late !== []) {
            array_push($task->leaks, ...$this->behind->takeLate());
        }
        if ($task->longestNs > 0) {
            $task->leaks[] = Slices::long($task);
        }
        if (Printed::wentPast()) {
            $task->stray = substr($task->stderr, 0, Runtime::MAX_STRAY_BYTES);
            $task->strayBytes += strlen($task->stderr);
        }
        if ($task->strayBytes > 0) {
            $more .= ',' . Handling::members(['stray' => $task->stray, 'strayBytes' => $task->strayBytes]);
        }
        if ($task->leaks !== []) {
            $more .= ',' . Handling::members(['leaks' => $task->leaks]);
        }
        $sent = $this->send($task, $task->meta . $more, $running);
        $this->task = null;

        return $sent;
    }

    /** Of a call that ended PHP: no more code of others. */
    public function endAbruptly(Task $task, string $meta): bool
    {
        ++$this->served;
        $task->payload = '';
        $task->request->uploads?->remove();
        $printed = [];
        if ($task->strayBytes > 0) {
            $printed = ['stray' => $task->stray, 'strayBytes' => $task->strayBytes];
        }

        return $this->send($task, $meta . $this->logs($task) . ($printed === [] ? '' : ',' . Handling::members($printed)), $this->live->count());
    }

    /** Of a priming. */
    public function prime(Task $task): bool
    {
        return $this->send($task, $task->meta, 0);
    }

    private function send(Task $task, string $members, int $running): bool
    {
        $wallUs = intdiv(hrtime(true) - $task->startedNs, 1000);
        $meta = "{{$members},\"pid\":{$this->pid},\"peakBytes\":" . memory_get_peak_usage(true)
            . ',"cpuMs":' . intdiv($task->cpuNs, 1000) / 1000 . ',"wallMs":' . $wallUs / 1000
            . ",\"waits\":{$task->suspensions},\"suspensions\":{$task->suspensions},\"running\":{$running},\"served\":{$this->served},\"memoryBytes\":"
            . memory_get_usage() . '}';

        return $task->reply->envelope(
            $task->request->id,
            'FPMG1 ' . $task->attemptId . ' ' . strlen($meta) . ' ' . strlen($task->payload) . "\n" . $meta,
            $task->payload,
            $task->stderr,
        );
    }

    private function logs(Task $task): string
    {
        $logs = $task->call?->logs() ?? [];

        return $logs === [] ? '' : ',' . Handling::members(['logs' => $logs, 'droppedLogs' => $task->call->droppedLogs()]);
    }

    /** What belongs to all calls is looked at when none runs: in between it may be anybody's. */
    private function alone(Task $task): void
    {
        if ($this->debugged) {
            Hooks::after();
        }
        Superglobals::leave();
        try {
            array_push($task->leaks, ...Resets::leaks([]));
        } catch (\Throwable $thrown) {
            $this->behind->tell($thrown);
        }
        array_push($task->leaks, ...Printed::leaks());
    }

    /** One may return what it found, as leaks are told. */
    private function runHooks(Task $task): void
    {
        while ($task->atEnd !== []) {
            $hook = array_shift($task->atEnd);
            try {
                $found = $hook();
                if (is_array($found)) {
                    array_push($task->leaks, ...array_values($found));
                }
            } catch (\Throwable $thrown) {
                $this->behind->tell($thrown);
            }
        }
    }
}
