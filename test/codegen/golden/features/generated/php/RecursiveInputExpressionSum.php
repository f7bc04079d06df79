<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of RecursiveInput. */
final class RecursiveInputExpressionSum implements \JsonSerializable
{
    /**
     * @param list<RecursiveInputExpressionNumber|RecursiveInputExpressionSum> $of
     * @param 'sum' $op
     */
    public function __construct(
        public readonly array $of,
        public readonly string $op = 'sum',
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            op: $data['op'] ?? 'sum',
            of: array_map(static fn (mixed $item): RecursiveInputExpressionNumber|RecursiveInputExpressionSum => match ($item['op']) {
                'number' => RecursiveInputExpressionNumber::fromArray($item),
                'sum' => RecursiveInputExpressionSum::fromArray($item),
            }, $data['of']),
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'op' => $this->op,
            'of' => $this->of,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
