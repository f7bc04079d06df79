<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of UnionsInput. */
final class UnionsInputMaybeShapeSquare implements \JsonSerializable
{
    public function __construct(
        public readonly UnionsInputMaybeShapeSquareShape $shape,
        public readonly int|float $side,
        public readonly ?string $label = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            shape: UnionsInputMaybeShapeSquareShape::from($data['shape']),
            side: $data['side'],
            label: $data['label'] ?? null,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'shape' => $this->shape,
            'side' => $this->side,
        ];
        if ($this->label !== null) {
            $data['label'] = $this->label;
        }

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
