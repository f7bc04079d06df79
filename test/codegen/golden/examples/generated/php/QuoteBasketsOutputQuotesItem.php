<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of QuoteBasketsOutput. */
final class QuoteBasketsOutputQuotesItem implements \JsonSerializable
{
    /**
     * @param int<0, max>|null $totalCents
     */
    public function __construct(
        public readonly ?int $totalCents,
        public readonly ?string $problem,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            totalCents: $data['totalCents'],
            problem: $data['problem'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'totalCents' => $this->totalCents,
            'problem' => $this->problem,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
