<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of changed. */
final class ChangedInput implements \JsonSerializable
{
    /**
     * @param int<1, max> $page
     */
    public function __construct(
        public readonly string $flag,
        public readonly string $trimmed,
        public readonly int $page = 1,
        public readonly ?string $key = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            flag: $data['flag'],
            page: $data['page'] ?? 1,
            trimmed: $data['trimmed'],
            key: $data['key'] ?? null,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'flag' => $this->flag,
            'page' => $this->page,
            'trimmed' => $this->trimmed,
        ];
        if ($this->key !== null) {
            $data['key'] = $this->key;
        }

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
