<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of NamesOutput. */
enum NamesOutputⅧA: string
{
    case M = 'm²';
    case M_2 = 'm';
    case UB2 = '²';
}
