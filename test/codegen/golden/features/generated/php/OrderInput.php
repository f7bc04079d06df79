<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of order. */
final class OrderInput implements \JsonSerializable
{
    /**
     * @param list<string> $others
     */
    public function __construct(
        public readonly string $sku,
        public readonly Size $size,
        public readonly Money $price,
        public readonly array $others,
        public readonly ?Money $discount = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            sku: $data['sku'],
            size: Size::from($data['size']),
            price: Money::fromArray($data['price']),
            others: $data['others'],
            discount: isset($data['discount']) ? Money::fromArray($data['discount']) : null,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'sku' => $this->sku,
            'size' => $this->size,
            'price' => $this->price,
            'others' => $this->others,
        ];
        if ($this->discount !== null) {
            $data['discount'] = $this->discount;
        }

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
