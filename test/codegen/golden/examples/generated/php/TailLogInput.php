<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of tail-log. */
final class TailLogInput implements \JsonSerializable
{
    /**
     * @param int<0, 1000> $lines How many of the last lines come first
     * @param bool $follow False: end behind the lines there are
     */
    public function __construct(
        public readonly string $name,
        public readonly int $lines = 10,
        public readonly bool $follow = true,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            name: $data['name'],
            lines: $data['lines'] ?? 10,
            follow: $data['follow'] ?? true,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'name' => $this->name,
            'lines' => $this->lines,
            'follow' => $this->follow,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
