<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of ChoicesOutput. */
enum ChoicesOutputSeveralItem: string
{
    case R = 'r';
    case W = 'w';
    case X = 'x';
}
