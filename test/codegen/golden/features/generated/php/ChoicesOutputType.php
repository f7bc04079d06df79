<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of ChoicesOutput. */
enum ChoicesOutputType: string
{
    case ApplicationPdf = 'application/pdf';
    case ImagePng = 'image/png';
    case Class_ = 'class';
    case _2x = '2x';
    case AB = 'a-b';
    case AB_2 = 'a b';
    case Ünïcode = 'Ünïcode';
}
