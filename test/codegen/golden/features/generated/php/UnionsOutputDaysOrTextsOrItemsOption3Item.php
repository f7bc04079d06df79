<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of UnionsOutput. */
final class UnionsOutputDaysOrTextsOrItemsOption3Item implements \JsonSerializable
{
    /**
     * @param 'circle' $shape
     */
    public function __construct(
        public readonly int|float $radius,
        public readonly string $shape = 'circle',
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            shape: $data['shape'] ?? 'circle',
            radius: $data['radius'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'shape' => $this->shape,
            'radius' => $this->radius,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }

    /** @param array<array-key, mixed> $data */
    public static function matches(array $data): bool
    {
        return array_key_exists('shape', $data)
                && in_array($data['shape'], ['circle'], true)
                && array_key_exists('radius', $data)
                && (is_int($data['radius']) || is_float($data['radius']))
                && array_diff_key($data, ['shape' => true, 'radius' => true]) === [];
    }
}
