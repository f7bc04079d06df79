<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of CollectionsInput. */
final class CollectionsInputCaught implements \JsonSerializable
{
    /**
     * @param array<string, int> $additional_2 Members the contract does not name.
     */
    public function __construct(
        public readonly string $a,
        public readonly ?int $additional = null,
        public readonly array $additional_2 = [],
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            a: $data['a'],
            additional: $data['additional'] ?? null,
            additional_2: array_diff_key($data, ['a' => true, 'additional' => true]),
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'a' => $this->a,
        ];
        if ($this->additional !== null) {
            $data['additional'] = $this->additional;
        }
        $data += (array) (array_is_list($this->additional_2) ? (object) $this->additional_2 : $this->additional_2);

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
