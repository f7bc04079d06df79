<?php

declare(strict_types=1);

namespace App\Kernel;

/** On a public method of a subscriber, whose only parameter is the event. */
#[\Attribute(\Attribute::TARGET_METHOD)]
final class Listens
{
    public function __construct(public readonly int $priority = 0)
    {
    }
}
