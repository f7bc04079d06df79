<?php

declare(strict_types=1);

namespace App\Gadget\Repository;

use App\Gadget\Entity\Gadget;
use App\Gadget\Entity\GadgetDiscount;
use App\Kernel\Entities;
use FpmGateway\Database;

final class SqlGadgets implements Gadgets
{
    public function __construct(private readonly Database $database, private readonly Entities $entities)
    {
    }

    public function find(int $id): ?Gadget
    {
        return $this->one(Gadget::class, $id);
    }

    public function page(int $page, int $size): array
    {
        $rows = $this->database->query($this->entities->selectPage(Gadget::class), [$size, ($page - 1) * $size]);

        return $rows->fetchAll(\PDO::FETCH_CLASS, Gadget::class);
    }

    public function discount(int $id): ?GadgetDiscount
    {
        return $this->one(GadgetDiscount::class, $id);
    }

    /**
     * @template T of object
     *
     * @param class-string<T> $class
     *
     * @return T|null
     */
    private function one(string $class, int $id): ?object
    {
        return $this->database->query($this->entities->select($class), [$id])->fetchObject($class) ?: null;
    }
}
