<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of LegacyFormInput. */
enum LegacyFormInputTopic: string
{
    case Question = 'question';
    case Order = 'order';
    case Praise = 'praise';
}
