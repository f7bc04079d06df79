<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of shop-quote. */
final class ShopQuoteOutput implements \JsonSerializable
{
    /**
     * @param list<ShopQuoteOutputLinesItem> $lines
     * @param int<0, max> $totalCents
     * @param non-empty-string $currency
     */
    public function __construct(
        public readonly array $lines,
        public readonly int $totalCents,
        public readonly string $currency,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            lines: array_map(ShopQuoteOutputLinesItem::fromArray(...), $data['lines']),
            totalCents: $data['totalCents'],
            currency: $data['currency'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'lines' => $this->lines,
            'totalCents' => $this->totalCents,
            'currency' => $this->currency,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
