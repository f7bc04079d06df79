<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of tail-log. */
final class TailLogItem implements \JsonSerializable
{
    /**
     * @param string $line Without its end; longer ones are cut, broken UTF-8 becomes ?
     * @param string $at When it was read
     */
    public function __construct(
        public readonly string $line,
        public readonly string $at,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            line: $data['line'],
            at: $data['at'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'line' => $this->line,
            'at' => $this->at,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
