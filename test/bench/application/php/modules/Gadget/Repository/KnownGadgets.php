<?php

declare(strict_types=1);

namespace App\Gadget\Repository;

use App\Gadget\Entity\Gadget;

/** What was looked up in this request already. */
final class KnownGadgets
{
    /** @var array<int, Gadget> */
    private array $known = [];

    public function __construct(private readonly Gadgets $gadgets)
    {
    }

    public function find(int $id): ?Gadget
    {
        return $this->known[$id] ??= $this->gadgets->find($id);
    }

    public function forget(): void
    {
        $this->known = [];
    }
}
