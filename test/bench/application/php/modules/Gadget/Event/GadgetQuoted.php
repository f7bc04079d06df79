<?php

declare(strict_types=1);

namespace App\Gadget\Event;

final class GadgetQuoted
{
    public function __construct(public readonly int $gadgetId, public readonly int $cents)
    {
    }
}
