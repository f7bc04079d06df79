<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of choices. */
final class ChoicesInput implements \JsonSerializable
{
    /**
     * @param list<ChoicesInputSeveralItem> $several
     * @param array<string, ChoicesInputByNameValue> $byName
     */
    public function __construct(
        public readonly ChoicesInputLevel $level,
        public readonly ChoicesInputSign $sign,
        public readonly ChoicesInputType $type,
        public readonly ChoicesInputCode $code,
        public readonly ?ChoicesInputMaybe $maybe,
        public readonly array $several,
        public readonly array $byName,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            level: ChoicesInputLevel::from($data['level']),
            sign: ChoicesInputSign::from($data['sign']),
            type: ChoicesInputType::from($data['type']),
            code: ChoicesInputCode::from($data['code']),
            maybe: $data['maybe'] === null ? null : ChoicesInputMaybe::from($data['maybe']),
            several: array_map(ChoicesInputSeveralItem::from(...), $data['several']),
            byName: array_map(ChoicesInputByNameValue::from(...), $data['byName']),
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'level' => $this->level,
            'sign' => $this->sign,
            'type' => $this->type,
            'code' => $this->code,
            'maybe' => $this->maybe,
            'several' => $this->several,
            'byName' => array_is_list($this->byName) ? (object) $this->byName : $this->byName,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
