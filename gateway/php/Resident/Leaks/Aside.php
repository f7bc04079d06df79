<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/** One of several calls at once, as the sentinel knows it: what it set and others must not see while it waits. */
final class Aside
{
    /** @var list<\Closure(): mixed> what sets it again */
    public array $again = [];
    /** @var array<string, array{kind: string, name: string, detail: string, restored: bool}> told with its answer, each once */
    public array $found = [];

    public function __construct(public readonly string $function, public readonly int $number)
    {
    }
}
