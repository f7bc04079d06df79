<?php

declare(strict_types=1);

namespace App\Kernel;

/** On a public method of a controller: `#[Route('GET', '/gadget/{id}')]`. */
#[\Attribute(\Attribute::TARGET_METHOD)]
final class Route
{
    public function __construct(public readonly string $method, public readonly string $path)
    {
    }
}
