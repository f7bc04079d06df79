<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of RecursiveInput. */
final class RecursiveInputExpressionNumber implements \JsonSerializable
{
    /**
     * @param 'number' $op
     */
    public function __construct(
        public readonly int|float $value,
        public readonly string $op = 'number',
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            op: $data['op'] ?? 'number',
            value: $data['value'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'op' => $this->op,
            'value' => $this->value,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
