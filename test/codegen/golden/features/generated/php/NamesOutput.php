<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of names. */
final class NamesOutput implements \JsonSerializable
{
    public function __construct(
        public readonly int $_0,
        public readonly int $vatId,
        public readonly int $vatId_2,
        public readonly int $vatId_3,
        public readonly int $first_name,
        public readonly int $class,
        public readonly int $this_,
        public readonly int $data,
        public readonly int $None,
        public readonly int $GreaterEqual,
        public readonly int $straße,
        public readonly int $itS,
        public readonly int $_SERVER_,
        public readonly int $GLOBALS_,
        public readonly NamesOutputM $m,
        public readonly NamesOutputⅧ $ⅷ,
        public readonly NamesOutputTwoLines $twoLines,
        public readonly ?int $_ = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            _0: $data['0'],
            vatId: $data['vat-id'],
            vatId_2: $data['vatId'],
            vatId_3: $data['vat id'],
            first_name: $data['first_name'],
            class: $data['class'],
            this_: $data['this'],
            data: $data['data'],
            None: $data[''],
            GreaterEqual: $data['>='],
            straße: $data['straße'],
            itS: $data['it\'s'],
            _SERVER_: $data['_SERVER'],
            GLOBALS_: $data['GLOBALS'],
            m: NamesOutputM::fromArray($data['m²']),
            ⅷ: NamesOutputⅧ::fromArray($data['Ⅷ']),
            _: $data['_'] ?? null,
            twoLines: NamesOutputTwoLines::fromArray($data["two\x0alines"]),
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            '0' => $this->_0,
            'vat-id' => $this->vatId,
            'vatId' => $this->vatId_2,
            'vat id' => $this->vatId_3,
            'first_name' => $this->first_name,
            'class' => $this->class,
            'this' => $this->this_,
            'data' => $this->data,
            '' => $this->None,
            '>=' => $this->GreaterEqual,
            'straße' => $this->straße,
            'it\'s' => $this->itS,
            '_SERVER' => $this->_SERVER_,
            'GLOBALS' => $this->GLOBALS_,
            'm²' => $this->m,
            'Ⅷ' => $this->ⅷ,
        ];
        if ($this->_ !== null) {
            $data['_'] = $this->_;
        }
        $data["two\x0alines"] = $this->twoLines;

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
