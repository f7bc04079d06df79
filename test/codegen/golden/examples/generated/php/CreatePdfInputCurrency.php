<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of CreatePdfInput. */
enum CreatePdfInputCurrency: string
{
    case EUR = 'EUR';
    case USD = 'USD';
    case GBP = 'GBP';
    case CHF = 'CHF';
    case AUD = 'AUD';
    case CAD = 'CAD';
    case CZK = 'CZK';
    case DKK = 'DKK';
    case NOK = 'NOK';
    case PLN = 'PLN';
    case SEK = 'SEK';
}
