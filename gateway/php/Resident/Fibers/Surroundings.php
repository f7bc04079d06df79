<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Behind;
use FpmGateway\Resident\Leaks\Interleaving;
use FpmGateway\Resident\Printed;
use FpmGateway\Resident\Stderr;
use FpmGateway\Runtime;

use function strlen;
use function substr;

/** Told around each slice of a call: what it prints, logs and sets in it is its own. */
final class Surroundings
{
    private const MAX_STDERR_BYTES = 65_535;

    /** When the application is loaded; null where nothing is looked for. */
    public ?Interleaving $interleaving = null;

    public function __construct(private readonly Stderr $stderr, private readonly Behind $behind)
    {
    }

    public function resumed(Task $task): void
    {
        if ($task->aside !== null) {
            $this->interleaving?->resumed($task->aside);
        } elseif ($this->interleaving !== null) {
            $task->aside = $this->interleaving->began($task->function);
        }
        if ($task->buffers !== null) {
            $task->buffers->restore();
            $task->buffers = null;
        }
    }

    public function suspended(Task $task): void
    {
        if (!$task->ended && Printed::isHeld()) {
            $task->buffers = Buffers::setAside(Printed::level());
            array_push($task->leaks, ...$task->buffers->leaks);
            // A callback has run.
            Printed::$ran = true;
        }
        $logged = $this->stderr->take();
        if ($logged !== '') {
            $task->stderr .= substr($logged, 0, self::MAX_STDERR_BYTES - strlen($task->stderr));
        }
        if (!Printed::isNothing()) {
            $printed = $this->behind->printed($task->meta, $task->payload);
            $task->stray .= substr($printed['stray'] ?? '', 0, Runtime::MAX_STRAY_BYTES - strlen($task->stray));
            $task->strayBytes += $printed['strayBytes'] ?? 0;
        }
        if ($task->aside !== null && !$task->ended) {
            try {
                $this->interleaving?->suspended($task->aside);
            } catch (\Throwable $thrown) {
                // Of a destructor.
                $this->behind->tell($thrown);
            }
        }
    }

    /** When the call's own values are gone. */
    public function ended(Task $task): void
    {
        if ($this->interleaving === null || $task->aside === null) {
            return;
        }
        try {
            $leaks = $this->interleaving->ended($task->aside, $task->startedNs, $task);
            if ($leaks !== []) {
                array_push($task->leaks, ...$leaks);
            }
        } catch (\Throwable $thrown) {
            $this->behind->tell($thrown);
        }
    }
}
