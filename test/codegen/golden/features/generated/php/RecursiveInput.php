<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of recursive. */
final class RecursiveInput implements \JsonSerializable
{
    public function __construct(
        public readonly RecursiveInputTree $tree,
        public readonly RecursiveInputExpressionNumber|RecursiveInputExpressionSum $expression,
        public readonly ?RecursiveInputChain $chain = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            tree: RecursiveInputTree::fromArray($data['tree']),
            chain: isset($data['chain']) ? RecursiveInputChain::fromArray($data['chain']) : null,
            expression: match ($data['expression']['op']) {
                'number' => RecursiveInputExpressionNumber::fromArray($data['expression']),
                'sum' => RecursiveInputExpressionSum::fromArray($data['expression']),
            },
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'tree' => $this->tree,
        ];
        if ($this->chain !== null) {
            $data['chain'] = $this->chain;
        }
        $data['expression'] = $this->expression;

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
