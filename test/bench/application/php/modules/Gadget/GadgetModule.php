<?php

declare(strict_types=1);

namespace App\Gadget;

use App\Gadget\Repository\Gadgets;
use App\Gadget\Repository\SqlGadgets;
use App\Gadget\Subscriber\ForgetGadgets;
use App\Gadget\Subscriber\WarnOfGadgetShortage;
use App\Kernel\Container;
use App\Kernel\Module;

final class GadgetModule implements Module
{
    public static function settings(): array
    {
        return [
            'vat_percent' => 'int',
            'discounts' => 'bool',
            'stock_min' => 'int',
            'number_prefix' => 'string',
            'number_digits' => 'int',
            'page_size' => 'int',
            'language' => 'string',
            'labels' => 'array',
        ];
    }

    public function register(Container $container): void
    {
        $container->bind(Gadgets::class, SqlGadgets::class);
    }

    public function subscribers(Container $container): array
    {
        return [$container->get(ForgetGadgets::class), $container->get(WarnOfGadgetShortage::class)];
    }
}
