<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of choices. */
final class ChoicesOutput implements \JsonSerializable
{
    /**
     * @param list<ChoicesOutputSeveralItem> $several
     * @param array<string, ChoicesOutputByNameValue> $byName
     */
    public function __construct(
        public readonly ChoicesOutputLevel $level,
        public readonly ChoicesOutputSign $sign,
        public readonly ChoicesOutputType $type,
        public readonly ChoicesOutputCode $code,
        public readonly ?ChoicesOutputMaybe $maybe,
        public readonly array $several,
        public readonly array $byName,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            level: ChoicesOutputLevel::from($data['level']),
            sign: ChoicesOutputSign::from($data['sign']),
            type: ChoicesOutputType::from($data['type']),
            code: ChoicesOutputCode::from($data['code']),
            maybe: $data['maybe'] === null ? null : ChoicesOutputMaybe::from($data['maybe']),
            several: array_map(ChoicesOutputSeveralItem::from(...), $data['several']),
            byName: array_map(ChoicesOutputByNameValue::from(...), $data['byName']),
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
