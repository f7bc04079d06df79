<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of PresenceInput. */
enum PresenceInputChoice: string
{
    case Left = 'left';
    case Right = 'right';
}
