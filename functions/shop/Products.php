<?php

declare(strict_types=1);

namespace Shop;

use FpmGateway\Database;

/** Products by their SKU. Each is looked up once in a call; app.php says when they are forgotten. */
final class Products
{
    /** @var array<string, array{title: string, cents: int}|null> */
    private array $known = [];

    public function __construct(private readonly Database $database)
    {
    }

    /** @return array{title: string, cents: int}|null */
    public function find(string $sku): ?array
    {
        return $this->known[$sku] ??= $this->select($sku);
    }

    public function forget(): void
    {
        $this->known = [];
    }

    /** @return array{title: string, cents: int}|null */
    private function select(string $sku): ?array
    {
        $rows = $this->database->query('SELECT title, cents FROM products WHERE sku = ?', [$sku]);
        $row = $rows->fetch(\PDO::FETCH_ASSOC);

        return $row === false ? null : ['title' => $row['title'], 'cents' => (int) $row['cents']];
    }
}
