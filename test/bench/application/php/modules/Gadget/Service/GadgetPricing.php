<?php

declare(strict_types=1);

namespace App\Gadget\Service;

use App\Gadget\Entity\Gadget;
use App\Gadget\Repository\Gadgets;
use App\Kernel\Setting;

final class GadgetPricing
{
    public function __construct(
        private readonly Gadgets $gadgets,
        #[Setting('gadget.vat_percent')]
        private readonly int $vatPercent,
        #[Setting('gadget.discounts')]
        private readonly bool $hasDiscounts,
    ) {
    }

    public function cents(Gadget $gadget, int $quantity): int
    {
        $cents = $gadget->priceCents * $quantity;
        $discount = $this->hasDiscounts ? $this->gadgets->discount($gadget->id) : null;
        if ($discount !== null && $quantity >= $discount->fromQuantity) {
            $cents -= intdiv($cents * $discount->percent, 100);
        }

        return $cents + intdiv($cents * $this->vatPercent, 100);
    }
}
