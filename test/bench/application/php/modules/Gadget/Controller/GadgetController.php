<?php

declare(strict_types=1);

namespace App\Gadget\Controller;

use App\Gadget\Input\QuoteGadget;
use App\Gadget\Input\TakeGadget;
use App\Gadget\Repository\KnownGadgets;
use App\Gadget\Service\GadgetQuotes;
use App\Gadget\Service\GadgetStock;
use App\Kernel\Allowed;
use App\Kernel\NotFound;
use App\Kernel\Route;
use App\Kernel\Shapes;
use App\Kernel\Validator;

final class GadgetController
{
    public function __construct(
        private readonly Validator $validator,
        private readonly Shapes $shapes,
        private readonly KnownGadgets $gadgets,
        private readonly GadgetQuotes $quotes,
        private readonly GadgetStock $stock,
    ) {
    }

    /**
     * @param array<string, mixed> $body
     *
     * @return array<string, mixed>
     */
    #[Route('GET', '/gadget/{id}')]
    #[Allowed('gadget.see')]
    public function show(int $id, array $body): array
    {
        return $this->shapes->write($this->gadgets->find($id) ?? throw new NotFound("there is no gadget {$id}"));
    }

    /**
     * @param array<string, mixed> $body
     *
     * @return array<string, mixed>
     */
    #[Route('POST', '/gadget/quote')]
    #[Allowed('gadget.quote')]
    public function quote(array $body): array
    {
        return $this->quotes->quote($this->validator->read(QuoteGadget::class, $body));
    }

    /**
     * @param array<string, mixed> $body
     *
     * @return array<string, mixed>
     */
    #[Route('POST', '/gadget/{id}/take')]
    #[Allowed('gadget.take')]
    public function take(int $id, array $body): array
    {
        return $this->stock->take($this->validator->read(TakeGadget::class, ['id' => $id] + $body));
    }
}
