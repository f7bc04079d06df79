<?php

declare(strict_types=1);

namespace App\Gadget\Subscriber;

use App\Gadget\Event\GadgetRunsLow;
use App\Gadget\Event\GadgetTaken;
use App\Gadget\Repository\Gadgets;
use App\Kernel\Events;
use App\Kernel\Listens;
use App\Kernel\Setting;

final class WarnOfGadgetShortage
{
    public function __construct(
        private readonly Gadgets $gadgets,
        private readonly Events $events,
        #[Setting('gadget.stock_min')]
        private readonly int $stockMin,
    ) {
    }

    #[Listens]
    public function taken(GadgetTaken $event): void
    {
        $gadget = $this->gadgets->find($event->gadgetId);
        if ($gadget !== null && $gadget->stock < $this->stockMin) {
            $this->events->dispatch(new GadgetRunsLow($gadget->id, $gadget->stock, ['shop']));
        }
    }

    #[Listens]
    public function runsLow(GadgetRunsLow $event): void
    {
        error_log("gadget {$event->gadgetId}: {$event->left} left in " . implode(', ', $event->locations));
    }
}
