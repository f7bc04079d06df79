<?php

declare(strict_types=1);

namespace App\Gadget\Repository;

use App\Gadget\Entity\Gadget;
use App\Gadget\Entity\GadgetDiscount;

interface Gadgets
{
    public function find(int $id): ?Gadget;

    /** @return list<Gadget> */
    public function page(int $page, int $size): array;

    public function discount(int $id): ?GadgetDiscount;
}
