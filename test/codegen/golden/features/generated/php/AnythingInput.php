<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of anything. */
final class AnythingInput implements \JsonSerializable
{
    /**
     * @param array<string, int> $both
     */
    public function __construct(
        public readonly mixed $json,
        public readonly mixed $any,
        public readonly array $both,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            json: $data['json'],
            any: $data['any'],
            both: $data['both'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'json' => $this->json,
            'any' => $this->any,
            'both' => array_is_list($this->both) ? (object) $this->both : $this->both,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
