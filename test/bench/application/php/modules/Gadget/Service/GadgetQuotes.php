<?php

declare(strict_types=1);

namespace App\Gadget\Service;

use App\Gadget\Event\GadgetQuoted;
use App\Gadget\Input\QuoteGadget;
use App\Gadget\Repository\KnownGadgets;
use App\Kernel\Events;
use App\Kernel\NotFound;

final class GadgetQuotes
{
    public function __construct(
        private readonly KnownGadgets $gadgets,
        private readonly GadgetPricing $pricing,
        private readonly GadgetNumbers $numbers,
        private readonly Events $events,
    ) {
    }

    /** @return array{number: string, title: string, available: bool, cents: int} */
    public function quote(QuoteGadget $wanted): array
    {
        $gadget = $this->gadgets->find($wanted->id) ?? throw new NotFound("there is no gadget {$wanted->id}");
        $quote = [
            'number' => $this->numbers->of($gadget->id),
            'title' => $gadget->title,
            'available' => $gadget->isAvailable($wanted->quantity),
            'cents' => $this->pricing->cents($gadget, $wanted->quantity),
        ];
        $this->events->dispatch(new GadgetQuoted($gadget->id, $quote['cents']));

        return $quote;
    }
}
