<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of shop. */
final class ShopInput implements \JsonSerializable
{
    /**
     * @param int<2000, 2100>|null $year
     */
    public function __construct(
        public readonly ?int $year = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            year: $data['year'] ?? null,
        );
    }

    /** @return array<string, mixed>|object what `json_encode` writes */
    public function jsonSerialize(): array|object
    {
        $data = [];
        if ($this->year !== null) {
            $data['year'] = $this->year;
        }

        return array_is_list($data) ? (object) $data : $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
