<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of UnionsOutput. */
final class UnionsOutputUntoldOption3 implements \JsonSerializable
{
    /**
     * @param list<UnionsOutputUntoldOption3CItem> $c
     */
    public function __construct(
        public readonly string $a,
        public readonly array $c,
        public readonly ?int $b = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            a: $data['a'],
            b: $data['b'] ?? null,
            c: array_map(UnionsOutputUntoldOption3CItem::fromArray(...), $data['c']),
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'a' => $this->a,
        ];
        if ($this->b !== null) {
            $data['b'] = $this->b;
        }
        $data['c'] = $this->c;

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }

    /** @param array<array-key, mixed> $data */
    public static function matches(array $data): bool
    {
        return array_key_exists('a', $data)
                && is_string($data['a'])
                && (!array_key_exists('b', $data) || is_int($data['b']))
                && array_key_exists('c', $data)
                && (is_array($data['c']) && array_is_list($data['c']) && array_filter($data['c'], static fn (mixed $item): bool => !((is_array($item) && UnionsOutputUntoldOption3CItem::matches($item)))) === [])
                && array_diff_key($data, ['a' => true, 'b' => true, 'c' => true]) === [];
    }
}
