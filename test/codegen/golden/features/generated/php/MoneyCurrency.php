<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** For every function whose contract names it. */
enum MoneyCurrency: string
{
    case EUR = 'EUR';
    case USD = 'USD';
}
