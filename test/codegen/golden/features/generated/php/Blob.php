<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** For every function whose contract names it. */
enum Blob: string
{
    case A = 'a';
    case B = 'b';
}
