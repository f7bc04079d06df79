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
     * @param list<\DateTimeImmutable>|list<int> $daysOrInts
     * @param array<string, \DateTimeImmutable>|array<string, int> $daysOrIntsByName
     * @param array{\DateTimeImmutable, int}|list<\DateTimeImmutable> $dayAndIntOrDays
     * @param list<string> $daysOrMoments
     * @param list<string>|list<list<string>>|list<UnionsInputDaysOrTextsOrItemsOption3Item> $daysOrTextsOrItems
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
        public readonly array $daysOrInts,
        public readonly array $daysOrIntsByName,
        public readonly array $dayAndIntOrDays,
        public readonly array $daysOrMoments,
        public readonly array $daysOrTextsOrItems,
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
            daysOrInts: match (true) {
                (is_array($data['daysOrInts']) && array_is_list($data['daysOrInts']) && array_filter($data['daysOrInts'], static fn (mixed $item): bool => !((is_string($item) && preg_match('/^\\d{4}-\\d\\d-\\d\\d$/D', $item) === 1))) === []) => array_map(static fn (string $item): \DateTimeImmutable => new \DateTimeImmutable($item, new \DateTimeZone('UTC')), $data['daysOrInts']),
                default => $data['daysOrInts'],
            },
            daysOrIntsByName: match (true) {
                (is_array($data['daysOrIntsByName']) && array_filter($data['daysOrIntsByName'], static fn (mixed $item): bool => !((is_string($item) && preg_match('/^\\d{4}-\\d\\d-\\d\\d$/D', $item) === 1))) === []) => array_map(static fn (string $item): \DateTimeImmutable => new \DateTimeImmutable($item, new \DateTimeZone('UTC')), $data['daysOrIntsByName']),
                default => $data['daysOrIntsByName'],
            },
            dayAndIntOrDays: match (true) {
                (is_array($data['dayAndIntOrDays']) && array_is_list($data['dayAndIntOrDays']) && count($data['dayAndIntOrDays']) >= 2 && count($data['dayAndIntOrDays']) <= 2 && (is_string($data['dayAndIntOrDays'][0]) && preg_match('/^\\d{4}-\\d\\d-\\d\\d$/D', $data['dayAndIntOrDays'][0]) === 1) && is_int($data['dayAndIntOrDays'][1])) => array_map(static fn (mixed $item, int $at): mixed => match ($at) {
                    0 => new \DateTimeImmutable($item, new \DateTimeZone('UTC')),
                    1 => $item,
                    default => $item,
                }, $data['dayAndIntOrDays'], array_keys($data['dayAndIntOrDays'])),
                default => array_map(static fn (string $item): \DateTimeImmutable => new \DateTimeImmutable($item, new \DateTimeZone('UTC')), $data['dayAndIntOrDays']),
            },
            daysOrMoments: $data['daysOrMoments'],
            daysOrTextsOrItems: match (true) {
                (is_array($data['daysOrTextsOrItems']) && array_is_list($data['daysOrTextsOrItems']) && array_filter($data['daysOrTextsOrItems'], static fn (mixed $item): bool => !(is_string($item))) === []) => $data['daysOrTextsOrItems'],
                (is_array($data['daysOrTextsOrItems']) && array_is_list($data['daysOrTextsOrItems']) && array_filter($data['daysOrTextsOrItems'], static fn (mixed $item): bool => !((is_array($item) && array_is_list($item) && array_filter($item, static fn (mixed $item): bool => !(is_string($item))) === []))) === []) => $data['daysOrTextsOrItems'],
                default => array_map(UnionsInputDaysOrTextsOrItemsOption3Item::fromArray(...), $data['daysOrTextsOrItems']),
            },
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
        $data['daysOrInts'] = match (true) {
            is_array($this->daysOrInts) && array_is_list($this->daysOrInts) => array_map(static fn (mixed $item): mixed => match (true) {
                $item instanceof \DateTimeImmutable => $item->format('Y-m-d'),
                default => $item,
            }, $this->daysOrInts),
            default => $this->daysOrInts,
        };
        $data['daysOrIntsByName'] = match (true) {
            is_array($this->daysOrIntsByName) => (static fn (array $map): array|object => array_is_list($map) ? (object) $map : $map)(array_map(static fn (mixed $item): mixed => match (true) {
                $item instanceof \DateTimeImmutable => $item->format('Y-m-d'),
                default => $item,
            }, $this->daysOrIntsByName)),
            default => $this->daysOrIntsByName,
        };
        $data['dayAndIntOrDays'] = match (true) {
            is_array($this->dayAndIntOrDays) && array_is_list($this->dayAndIntOrDays) => array_map(static fn (mixed $item): mixed => match (true) {
                $item instanceof \DateTimeImmutable => $item->format('Y-m-d'),
                default => $item,
            }, $this->dayAndIntOrDays),
            default => $this->dayAndIntOrDays,
        };
        $data['daysOrMoments'] = $this->daysOrMoments;
        $data['daysOrTextsOrItems'] = $this->daysOrTextsOrItems;
        $data['intsOrTexts'] = $this->intsOrTexts;

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
