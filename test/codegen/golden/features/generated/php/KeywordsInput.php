<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of keywords. */
final class KeywordsInput implements \JsonSerializable
{
    public function __construct(
        public readonly ListType $list,
        public readonly Blob $blob,
        public readonly Type $signs,
        public readonly ShopLineItem $lower,
        public readonly KeywordsInputFunction $function,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            list: ListType::fromArray($data['list']),
            blob: Blob::from($data['blob']),
            signs: Type::fromArray($data['signs']),
            lower: ShopLineItem::fromArray($data['lower']),
            function: KeywordsInputFunction::fromArray($data['function']),
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'list' => $this->list,
            'blob' => $this->blob,
            'signs' => $this->signs,
            'lower' => $this->lower,
            'function' => $this->function,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
