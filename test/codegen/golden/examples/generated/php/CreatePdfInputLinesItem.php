<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of CreatePdfInput. */
final class CreatePdfInputLinesItem implements \JsonSerializable
{
    /**
     * @param non-empty-string $description
     * @param int<-100000000, 100000000> $unitPriceCents Without VAT; negative for a discount
     */
    public function __construct(
        public readonly string $description,
        public readonly int|float $quantity,
        public readonly int $unitPriceCents,
        public readonly int|float $vatPercent,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            description: $data['description'],
            quantity: $data['quantity'],
            unitPriceCents: $data['unitPriceCents'],
            vatPercent: $data['vatPercent'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'description' => $this->description,
            'quantity' => $this->quantity,
            'unitPriceCents' => $this->unitPriceCents,
            'vatPercent' => $this->vatPercent,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
