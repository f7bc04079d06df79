<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of UnionsOutput. */
enum UnionsOutputShapeByNameValueSquareShape: string
{
    case Square = 'square';
    case Tile = 'tile';
}
