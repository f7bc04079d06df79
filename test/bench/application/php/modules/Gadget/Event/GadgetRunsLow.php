<?php

declare(strict_types=1);

namespace App\Gadget\Event;

final class GadgetRunsLow
{
    /** @param list<string> $locations */
    public function __construct(public readonly int $gadgetId, public readonly int $left, public readonly array $locations)
    {
    }
}
