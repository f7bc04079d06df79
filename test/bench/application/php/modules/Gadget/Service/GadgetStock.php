<?php

declare(strict_types=1);

namespace App\Gadget\Service;

use App\Gadget\Event\GadgetTaken;
use App\Gadget\Input\TakeGadget;
use App\Gadget\Repository\Gadgets;
use App\Kernel\Events;
use App\Kernel\NotFound;
use FpmGateway\Database;

final class GadgetStock
{
    public function __construct(
        private readonly Gadgets $gadgets,
        private readonly Database $database,
        private readonly Events $events,
    ) {
    }

    /** @return array{left: int} */
    public function take(TakeGadget $wanted): array
    {
        $gadget = $this->gadgets->find($wanted->id) ?? throw new NotFound("there is no gadget {$wanted->id}");
        $update = $this->database->query(
            'UPDATE gadget SET stock = stock - ? WHERE id = ? AND stock >= ?',
            [$wanted->quantity, $gadget->id, $wanted->quantity],
        );
        if ($update->rowCount() === 1) {
            $this->events->dispatch(new GadgetTaken($gadget->id, $wanted->quantity));
        }

        return ['left' => $gadget->stock - $wanted->quantity * $update->rowCount()];
    }
}
