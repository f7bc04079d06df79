<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of numbered. */
final class NumberedOutput implements \JsonSerializable
{
    public function __construct(
        public readonly int $_0,
        public readonly ?int $_1 = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            _0: $data['0'],
            _1: $data['1'] ?? null,
        );
    }

    /** @return array<string, mixed>|object what `json_encode` writes */
    public function jsonSerialize(): array|object
    {
        $data = [
            '0' => $this->_0,
        ];
        if ($this->_1 !== null) {
            $data['1'] = $this->_1;
        }

        return array_is_list($data) ? (object) $data : $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
