<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Stands for a member that is left out, where null is a value of its own. */
enum Absent
{
    case Value;
}
