<?php

declare(strict_types=1);

namespace App\Gadget\Controller;

use App\Gadget\Repository\KnownGadgets;
use App\Gadget\Service\GadgetPricing;
use App\Kernel\Allowed;
use App\Kernel\NotFound;
use App\Kernel\Route;

final class GadgetPriceController
{
    public function __construct(private readonly KnownGadgets $gadgets, private readonly GadgetPricing $pricing)
    {
    }

    /**
     * @param array<string, mixed> $body
     *
     * @return array<string, mixed>
     */
    #[Route('GET', '/gadget/{id}/price')]
    #[Allowed('gadget.see')]
    public function price(int $id, array $body): array
    {
        return $this->priceOf($id, 1);
    }

    /**
     * @param array<string, mixed> $body
     *
     * @return array<string, mixed>
     */
    #[Route('GET', '/gadget/{id}/price/{quantity}')]
    #[Allowed('gadget.see')]
    public function priceOf(int $id, int $quantity, array $body = []): array
    {
        $gadget = $this->gadgets->find($id) ?? throw new NotFound("there is no gadget {$id}");

        return ['cents' => $this->pricing->cents($gadget, $quantity)];
    }
}
