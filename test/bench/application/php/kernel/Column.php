<?php

declare(strict_types=1);

namespace App\Kernel;

/** On a property of an entity. */
#[\Attribute(\Attribute::TARGET_PROPERTY)]
final class Column
{
    public function __construct(public readonly string $name, public readonly bool $isKey = false)
    {
    }
}
