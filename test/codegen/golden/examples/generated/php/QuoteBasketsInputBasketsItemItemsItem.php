<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of QuoteBasketsInput. */
final class QuoteBasketsInputBasketsItemItemsItem implements \JsonSerializable
{
    /**
     * @param non-empty-string $sku
     * @param int<1, 1000> $quantity
     */
    public function __construct(
        public readonly string $sku,
        public readonly int $quantity,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            sku: $data['sku'],
            quantity: $data['quantity'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'sku' => $this->sku,
            'quantity' => $this->quantity,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
