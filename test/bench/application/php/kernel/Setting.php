<?php

declare(strict_types=1);

namespace App\Kernel;

/** On a parameter of a constructor: the value of the configuration with that path. */
#[\Attribute(\Attribute::TARGET_PARAMETER)]
final class Setting
{
    public function __construct(public readonly string $path)
    {
    }
}
