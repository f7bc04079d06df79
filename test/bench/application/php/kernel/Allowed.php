<?php

declare(strict_types=1);

namespace App\Kernel;

/** On a method of a controller: what its caller must be allowed. */
#[\Attribute(\Attribute::TARGET_METHOD)]
final class Allowed
{
    public function __construct(public readonly string $permission)
    {
    }
}
