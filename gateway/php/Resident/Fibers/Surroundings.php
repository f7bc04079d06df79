<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Behind;
use FpmGateway\Resident\Printed;
use FpmGateway\Resident\Stderr;
use FpmGateway\Runtime;

use function strlen;
use function substr;

/** Told around each slice of a call: what it prints and logs in it is its own. */
final class Surroundings
{
    private const MAX_STDERR_BYTES = 65_535;

    public function __construct(private readonly Stderr $stderr, private readonly Behind $behind)
    {
    }

    public function resumed(Task $task): void
    {
    }

    public function suspended(Task $task): void
    {
        $logged = $this->stderr->take();
        if ($logged !== '') {
            $task->stderr .= substr($logged, 0, self::MAX_STDERR_BYTES - strlen($task->stderr));
        }
        if (!Printed::isNothing()) {
            $printed = $this->behind->printed($task->meta, $task->payload);
            $task->stray .= substr($printed['stray'] ?? '', 0, Runtime::MAX_STRAY_BYTES - strlen($task->stray));
            $task->strayBytes += $printed['strayBytes'] ?? 0;
        }
    }
}
