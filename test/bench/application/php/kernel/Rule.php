<?php

declare(strict_types=1);

namespace App\Kernel;

/** On a property of an input: bounds of a number, of a text's length or of a list's. */
#[\Attribute(\Attribute::TARGET_PROPERTY)]
final class Rule
{
    public function __construct(public readonly int $min, public readonly int $max)
    {
    }
}
