<?php

declare(strict_types=1);

namespace App\Gadget\Input;

use App\Kernel\Rule;

final class QuoteGadget
{
    public function __construct(
        #[Rule(1, 1_000_000)]
        public readonly int $id,
        #[Rule(1, 1000)]
        public readonly int $quantity,
    ) {
    }
}
