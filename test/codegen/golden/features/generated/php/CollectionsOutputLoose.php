<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of CollectionsOutput. */
final class CollectionsOutputLoose implements \JsonSerializable
{
    /**
     * @param array<string, mixed> $additional Members the contract does not name.
     */
    public function __construct(
        public readonly string $a,
        public readonly array $additional = [],
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            a: $data['a'],
            additional: array_diff_key($data, ['a' => true]),
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'a' => $this->a,
        ];
        $data += (array) (array_is_list($this->additional) ? (object) $this->additional : $this->additional);

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
