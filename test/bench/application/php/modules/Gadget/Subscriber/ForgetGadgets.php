<?php

declare(strict_types=1);

namespace App\Gadget\Subscriber;

use App\Gadget\Event\GadgetQuoted;
use App\Gadget\Event\GadgetTaken;
use App\Gadget\Repository\KnownGadgets;
use App\Kernel\Listens;

/** What is known of gadgets is of one request: in a process that serves many it must not outlive it. */
final class ForgetGadgets
{
    public function __construct(private readonly KnownGadgets $known)
    {
    }

    #[Listens(priority: -10)]
    public function quoted(GadgetQuoted $event): void
    {
        $this->known->forget();
    }

    #[Listens(priority: -10)]
    public function taken(GadgetTaken $event): void
    {
        $this->known->forget();
    }
}
