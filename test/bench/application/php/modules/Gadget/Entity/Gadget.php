<?php

declare(strict_types=1);

namespace App\Gadget\Entity;

use App\Kernel\Column;
use App\Kernel\Table;

#[Table('gadget')]
final class Gadget
{
    #[Column('id', isKey: true)]
    public int $id;
    #[Column('sku')]
    public string $sku;
    #[Column('title')]
    public string $title;
    #[Column('price_cents')]
    public int $priceCents;
    #[Column('stock')]
    public int $stock;
    #[Column('changed_at')]
    public string $changedAt;

    public function isAvailable(int $quantity): bool
    {
        return $this->stock >= $quantity;
    }
}
