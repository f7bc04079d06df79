<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of CreatePdfInput. */
final class CreatePdfInputSeller implements \JsonSerializable
{
    /**
     * @param non-empty-string $name
     * @param list<non-empty-string> $address One line each
     * @param non-empty-string|null $vatId
     */
    public function __construct(
        public readonly string $name,
        public readonly array $address,
        public readonly ?string $vatId = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            name: $data['name'],
            address: $data['address'],
            vatId: $data['vatId'] ?? null,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'name' => $this->name,
            'address' => $this->address,
        ];
        if ($this->vatId !== null) {
            $data['vatId'] = $this->vatId;
        }

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
