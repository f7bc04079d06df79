<?php

declare(strict_types=1);

namespace Shop;

use FpmGateway\Failure;

final class Quotes
{
    public function __construct(
        private readonly Products $products,
        private readonly int $vatPercent,
        private readonly string $currency,
    ) {
    }

    /**
     * @param list<array{sku: string, quantity: int}> $items
     *
     * @return array{lines: list<array{title: string, cents: int}>, totalCents: int, currency: string}
     */
    public function quote(array $items): array
    {
        $lines = [];
        foreach ($items as ['sku' => $sku, 'quantity' => $quantity]) {
            $product = $this->products->find($sku) ?? throw new Failure('unknown-sku', ['sku' => $sku]);
            $lines[] = ['title' => "{$quantity} × {$product['title']}", 'cents' => $quantity * $product['cents']];
        }
        $net = array_sum(array_column($lines, 'cents'));

        return [
            'lines' => $lines,
            'totalCents' => $net + intdiv($net * $this->vatPercent, 100),
            'currency' => $this->currency,
        ];
    }
}
