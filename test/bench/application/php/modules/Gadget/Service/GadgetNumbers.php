<?php

declare(strict_types=1);

namespace App\Gadget\Service;

use App\Kernel\Setting;

final class GadgetNumbers
{
    public function __construct(
        #[Setting('gadget.number_prefix')]
        private readonly string $prefix,
        #[Setting('gadget.number_digits')]
        private readonly int $digits,
    ) {
    }

    public function of(int $number): string
    {
        return $this->prefix . str_pad((string) $number, $this->digits, '0', STR_PAD_LEFT);
    }
}
