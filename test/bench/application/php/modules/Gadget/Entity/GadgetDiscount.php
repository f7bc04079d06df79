<?php

declare(strict_types=1);

namespace App\Gadget\Entity;

use App\Kernel\Column;
use App\Kernel\Table;

#[Table('gadget_discount')]
final class GadgetDiscount
{
    #[Column('gadget_id', isKey: true)]
    public int $gadgetId;
    #[Column('from_quantity')]
    public int $fromQuantity;
    #[Column('percent')]
    public int $percent;
}
