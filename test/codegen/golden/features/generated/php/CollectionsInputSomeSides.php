<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of CollectionsInput. */
final class CollectionsInputSomeSides implements \JsonSerializable
{
    public function __construct(
        public readonly ?int $left = null,
        public readonly ?int $right = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            left: $data['left'] ?? null,
            right: $data['right'] ?? null,
        );
    }

    /** @return array<string, mixed>|object what `json_encode` writes */
    public function jsonSerialize(): array|object
    {
        $data = [];
        if ($this->left !== null) {
            $data['left'] = $this->left;
        }
        if ($this->right !== null) {
            $data['right'] = $this->right;
        }

        return array_is_list($data) ? (object) $data : $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
