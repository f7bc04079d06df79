<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of unions. */
final class UnionsInput implements \JsonSerializable
{
    /**
     * @param list<UnionsInputShapesItemCircle|UnionsInputShapesItemSquare> $shapes
     * @param array<string, UnionsInputShapeByNameValueCircle|UnionsInputShapeByNameValueSquare> $shapeByName
     * @param string|list<string> $textOrTexts
     * @param UnionsInputItemOrItemsOption1|list<UnionsInputItemOrItemsOption2Item> $itemOrItems
     * @param non-empty-list<int>|array<string, int> $listOrMap
     * @param list<int>|list<UnionsInputIntsOrTextsOption2Item>|list<string> $intsOrTexts
     */
    public function __construct(
        public readonly UnionsInputShapeCircle|UnionsInputShapeSquare $shape,
        public readonly UnionsInputMaybeShapeCircle|UnionsInputMaybeShapeSquare|null $maybeShape,
        public readonly array $shapes,
        public readonly array $shapeByName,
        public readonly UnionsInputOutcomeTrue|UnionsInputOutcomeFalse $outcome,
        public readonly UnionsInputVersion1|UnionsInputVersion2 $version,
        public readonly string|int|bool $scalar,
        public readonly string|int|float|null $nullableScalar,
        public readonly string|array $textOrTexts,
        public readonly UnionsInputItemOrItemsOption1|array $itemOrItems,
        public readonly UnionsInputUntoldOption1|UnionsInputUntoldOption2|UnionsInputUntoldOption3|string $untold,
        public readonly UnionsInputEitherOption1|UnionsInputEitherOption2 $either,
        public readonly UnionsInputChoiceOrNumber|int $choiceOrNumber,
        public readonly array $listOrMap,
        public readonly array $intsOrTexts,
        public readonly UnionsInputOptionalShapeCircle|UnionsInputOptionalShapeSquare|null $optionalShape = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            shape: match ($data['shape']['shape']) {
                'circle' => UnionsInputShapeCircle::fromArray($data['shape']),
                'square', 'tile' => UnionsInputShapeSquare::fromArray($data['shape']),
            },
            maybeShape: $data['maybeShape'] === null ? null : match ($data['maybeShape']['shape']) {
                'circle' => UnionsInputMaybeShapeCircle::fromArray($data['maybeShape']),
                'square', 'tile' => UnionsInputMaybeShapeSquare::fromArray($data['maybeShape']),
            },
            optionalShape: isset($data['optionalShape']) ? match ($data['optionalShape']['shape']) {
                'circle' => UnionsInputOptionalShapeCircle::fromArray($data['optionalShape']),
                'square', 'tile' => UnionsInputOptionalShapeSquare::fromArray($data['optionalShape']),
            } : null,
            shapes: array_map(static fn (mixed $item): UnionsInputShapesItemCircle|UnionsInputShapesItemSquare => match ($item['shape']) {
                'circle' => UnionsInputShapesItemCircle::fromArray($item),
                'square', 'tile' => UnionsInputShapesItemSquare::fromArray($item),
            }, $data['shapes']),
            shapeByName: array_map(static fn (mixed $item): UnionsInputShapeByNameValueCircle|UnionsInputShapeByNameValueSquare => match ($item['shape']) {
                'circle' => UnionsInputShapeByNameValueCircle::fromArray($item),
                'square', 'tile' => UnionsInputShapeByNameValueSquare::fromArray($item),
            }, $data['shapeByName']),
            outcome: match ($data['outcome']['ok']) {
                true => UnionsInputOutcomeTrue::fromArray($data['outcome']),
                false => UnionsInputOutcomeFalse::fromArray($data['outcome']),
            },
            version: match ($data['version']['v']) {
                1 => UnionsInputVersion1::fromArray($data['version']),
                2 => UnionsInputVersion2::fromArray($data['version']),
            },
            scalar: $data['scalar'],
            nullableScalar: $data['nullableScalar'],
            textOrTexts: $data['textOrTexts'],
            itemOrItems: match (true) {
                (is_array($data['itemOrItems']) && UnionsInputItemOrItemsOption1::matches($data['itemOrItems'])) => UnionsInputItemOrItemsOption1::fromArray($data['itemOrItems']),
                default => array_map(UnionsInputItemOrItemsOption2Item::fromArray(...), $data['itemOrItems']),
            },
            untold: match (true) {
                (is_array($data['untold']) && UnionsInputUntoldOption1::matches($data['untold'])) => UnionsInputUntoldOption1::fromArray($data['untold']),
                (is_array($data['untold']) && UnionsInputUntoldOption2::matches($data['untold'])) => UnionsInputUntoldOption2::fromArray($data['untold']),
                (is_array($data['untold']) && UnionsInputUntoldOption3::matches($data['untold'])) => UnionsInputUntoldOption3::fromArray($data['untold']),
                default => $data['untold'],
            },
            either: match (true) {
                (is_array($data['either']) && UnionsInputEitherOption1::matches($data['either'])) => UnionsInputEitherOption1::fromArray($data['either']),
                default => UnionsInputEitherOption2::fromArray($data['either']),
            },
            choiceOrNumber: match (true) {
                (is_string($data['choiceOrNumber']) && UnionsInputChoiceOrNumber::tryFrom($data['choiceOrNumber']) !== null) => UnionsInputChoiceOrNumber::from($data['choiceOrNumber']),
                default => $data['choiceOrNumber'],
            },
            listOrMap: $data['listOrMap'],
            intsOrTexts: match (true) {
                (is_array($data['intsOrTexts']) && array_is_list($data['intsOrTexts']) && array_filter($data['intsOrTexts'], static fn (mixed $item): bool => !(is_int($item))) === []) => $data['intsOrTexts'],
                (is_array($data['intsOrTexts']) && array_is_list($data['intsOrTexts']) && array_filter($data['intsOrTexts'], static fn (mixed $item): bool => !((is_array($item) && UnionsInputIntsOrTextsOption2Item::matches($item)))) === []) => array_map(UnionsInputIntsOrTextsOption2Item::fromArray(...), $data['intsOrTexts']),
                default => $data['intsOrTexts'],
            },
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'shape' => $this->shape,
            'maybeShape' => $this->maybeShape,
        ];
        if ($this->optionalShape !== null) {
            $data['optionalShape'] = $this->optionalShape;
        }
        $data['shapes'] = $this->shapes;
        $data['shapeByName'] = array_is_list($this->shapeByName) ? (object) $this->shapeByName : $this->shapeByName;
        $data['outcome'] = $this->outcome;
        $data['version'] = $this->version;
        $data['scalar'] = $this->scalar;
        $data['nullableScalar'] = $this->nullableScalar;
        $data['textOrTexts'] = $this->textOrTexts;
        $data['itemOrItems'] = $this->itemOrItems;
        $data['untold'] = $this->untold;
        $data['either'] = $this->either;
        $data['choiceOrNumber'] = $this->choiceOrNumber;
        $data['listOrMap'] = match (true) {
            is_array($this->listOrMap) && (!array_is_list($this->listOrMap) || $this->listOrMap === []) => array_is_list($this->listOrMap) ? (object) $this->listOrMap : $this->listOrMap,
            default => $this->listOrMap,
        };
        $data['intsOrTexts'] = $this->intsOrTexts;

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
