<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of scalars. */
final class ScalarsOutput implements \JsonSerializable
{
    /**
     * @param non-empty-string $name Not empty
     * @param int<0, 100> $percent
     * @param int<1, max> $positive Above 0; ends no comment: * /
     * @param int<-2147483648, 2147483647> $small Deprecated.
     * @param 'auto'|0|true|null $mixture
     * @param 'scalar' $kind
     * @param 2 $version
     */
    public function __construct(
        public readonly string $text,
        public readonly string $name,
        public readonly int $count,
        public readonly int $percent,
        public readonly int $positive,
        public readonly int $small,
        public readonly int|float $amount,
        public readonly int|float $share,
        public readonly bool $flag,
        public readonly mixed $nothing,
        public readonly mixed $anything,
        public readonly string|int|bool|null $mixture,
        public readonly ?string $mail = null,
        public readonly string $kind = 'scalar',
        public readonly int $version = 2,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            text: $data['text'],
            name: $data['name'],
            mail: $data['mail'] ?? null,
            count: $data['count'],
            percent: $data['percent'],
            positive: $data['positive'],
            small: $data['small'],
            amount: $data['amount'],
            share: $data['share'],
            flag: $data['flag'],
            nothing: $data['nothing'],
            anything: $data['anything'],
            kind: $data['kind'] ?? 'scalar',
            version: $data['version'] ?? 2,
            mixture: $data['mixture'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'text' => $this->text,
            'name' => $this->name,
        ];
        if ($this->mail !== null) {
            $data['mail'] = $this->mail;
        }
        $data['count'] = $this->count;
        $data['percent'] = $this->percent;
        $data['positive'] = $this->positive;
        $data['small'] = $this->small;
        $data['amount'] = $this->amount;
        $data['share'] = $this->share;
        $data['flag'] = $this->flag;
        $data['nothing'] = $this->nothing;
        $data['anything'] = $this->anything;
        $data['kind'] = $this->kind;
        $data['version'] = $this->version;
        $data['mixture'] = $this->mixture;

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
