<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of RecursiveInput. */
final class RecursiveInputChain implements \JsonSerializable
{
    public function __construct(
        public readonly string $name,
        public readonly ?RecursiveInputChain $next,
        public readonly ?RecursiveInputChain $other = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            name: $data['name'],
            next: $data['next'] === null ? null : RecursiveInputChain::fromArray($data['next']),
            other: isset($data['other']) ? RecursiveInputChain::fromArray($data['other']) : null,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'name' => $this->name,
            'next' => $this->next,
        ];
        if ($this->other !== null) {
            $data['other'] = $this->other;
        }

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
