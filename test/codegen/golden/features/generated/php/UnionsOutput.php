<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of unions. */
final class UnionsOutput implements \JsonSerializable
{
    /**
     * @param list<UnionsOutputShapesItemCircle|UnionsOutputShapesItemSquare> $shapes
     * @param array<string, UnionsOutputShapeByNameValueCircle|UnionsOutputShapeByNameValueSquare> $shapeByName
     * @param string|list<string> $textOrTexts
     * @param UnionsOutputItemOrItemsOption1|list<UnionsOutputItemOrItemsOption2Item> $itemOrItems
     * @param non-empty-list<int>|array<string, int> $listOrMap
     * @param list<\DateTimeImmutable>|list<int> $daysOrInts
     * @param array<string, \DateTimeImmutable>|array<string, int> $daysOrIntsByName
     * @param array{\DateTimeImmutable, int}|list<\DateTimeImmutable> $dayAndIntOrDays
     * @param list<string> $daysOrMoments
     * @param list<string>|list<list<string>>|list<UnionsOutputDaysOrTextsOrItemsOption3Item> $daysOrTextsOrItems
     * @param list<int>|list<UnionsOutputIntsOrTextsOption2Item>|list<string> $intsOrTexts
     */
    public function __construct(
        public readonly UnionsOutputShapeCircle|UnionsOutputShapeSquare $shape,
        public readonly UnionsOutputMaybeShapeCircle|UnionsOutputMaybeShapeSquare|null $maybeShape,
        public readonly array $shapes,
        public readonly array $shapeByName,
        public readonly UnionsOutputOutcomeTrue|UnionsOutputOutcomeFalse $outcome,
        public readonly UnionsOutputVersion1|UnionsOutputVersion2 $version,
        public readonly string|int|bool $scalar,
        public readonly string|int|float|null $nullableScalar,
        public readonly string|array $textOrTexts,
        public readonly UnionsOutputItemOrItemsOption1|array $itemOrItems,
        public readonly UnionsOutputUntoldOption1|UnionsOutputUntoldOption2|UnionsOutputUntoldOption3|string $untold,
        public readonly UnionsOutputEitherOption1|UnionsOutputEitherOption2 $either,
        public readonly UnionsOutputChoiceOrNumber|int $choiceOrNumber,
        public readonly array $listOrMap,
        public readonly array $daysOrInts,
        public readonly array $daysOrIntsByName,
        public readonly array $dayAndIntOrDays,
        public readonly array $daysOrMoments,
        public readonly array $daysOrTextsOrItems,
        public readonly array $intsOrTexts,
        public readonly UnionsOutputOptionalShapeCircle|UnionsOutputOptionalShapeSquare|null $optionalShape = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            shape: match ($data['shape']['shape']) {
                'circle' => UnionsOutputShapeCircle::fromArray($data['shape']),
                'square', 'tile' => UnionsOutputShapeSquare::fromArray($data['shape']),
            },
            maybeShape: $data['maybeShape'] === null ? null : match ($data['maybeShape']['shape']) {
                'circle' => UnionsOutputMaybeShapeCircle::fromArray($data['maybeShape']),
                'square', 'tile' => UnionsOutputMaybeShapeSquare::fromArray($data['maybeShape']),
            },
            optionalShape: isset($data['optionalShape']) ? match ($data['optionalShape']['shape']) {
                'circle' => UnionsOutputOptionalShapeCircle::fromArray($data['optionalShape']),
                'square', 'tile' => UnionsOutputOptionalShapeSquare::fromArray($data['optionalShape']),
            } : null,
            shapes: array_map(static fn (mixed $item): UnionsOutputShapesItemCircle|UnionsOutputShapesItemSquare => match ($item['shape']) {
                'circle' => UnionsOutputShapesItemCircle::fromArray($item),
                'square', 'tile' => UnionsOutputShapesItemSquare::fromArray($item),
            }, $data['shapes']),
            shapeByName: array_map(static fn (mixed $item): UnionsOutputShapeByNameValueCircle|UnionsOutputShapeByNameValueSquare => match ($item['shape']) {
                'circle' => UnionsOutputShapeByNameValueCircle::fromArray($item),
                'square', 'tile' => UnionsOutputShapeByNameValueSquare::fromArray($item),
            }, $data['shapeByName']),
            outcome: match ($data['outcome']['ok']) {
                true => UnionsOutputOutcomeTrue::fromArray($data['outcome']),
                false => UnionsOutputOutcomeFalse::fromArray($data['outcome']),
            },
            version: match ($data['version']['v']) {
                1 => UnionsOutputVersion1::fromArray($data['version']),
                2 => UnionsOutputVersion2::fromArray($data['version']),
            },
            scalar: $data['scalar'],
            nullableScalar: $data['nullableScalar'],
            textOrTexts: $data['textOrTexts'],
            itemOrItems: match (true) {
                (is_array($data['itemOrItems']) && UnionsOutputItemOrItemsOption1::matches($data['itemOrItems'])) => UnionsOutputItemOrItemsOption1::fromArray($data['itemOrItems']),
                default => array_map(UnionsOutputItemOrItemsOption2Item::fromArray(...), $data['itemOrItems']),
            },
            untold: match (true) {
                (is_array($data['untold']) && UnionsOutputUntoldOption1::matches($data['untold'])) => UnionsOutputUntoldOption1::fromArray($data['untold']),
                (is_array($data['untold']) && UnionsOutputUntoldOption2::matches($data['untold'])) => UnionsOutputUntoldOption2::fromArray($data['untold']),
                (is_array($data['untold']) && UnionsOutputUntoldOption3::matches($data['untold'])) => UnionsOutputUntoldOption3::fromArray($data['untold']),
                default => $data['untold'],
            },
            either: match (true) {
                (is_array($data['either']) && UnionsOutputEitherOption1::matches($data['either'])) => UnionsOutputEitherOption1::fromArray($data['either']),
                default => UnionsOutputEitherOption2::fromArray($data['either']),
            },
            choiceOrNumber: match (true) {
                (is_string($data['choiceOrNumber']) && UnionsOutputChoiceOrNumber::tryFrom($data['choiceOrNumber']) !== null) => UnionsOutputChoiceOrNumber::from($data['choiceOrNumber']),
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
                default => array_map(UnionsOutputDaysOrTextsOrItemsOption3Item::fromArray(...), $data['daysOrTextsOrItems']),
            },
            intsOrTexts: match (true) {
                (is_array($data['intsOrTexts']) && array_is_list($data['intsOrTexts']) && array_filter($data['intsOrTexts'], static fn (mixed $item): bool => !(is_int($item))) === []) => $data['intsOrTexts'],
                (is_array($data['intsOrTexts']) && array_is_list($data['intsOrTexts']) && array_filter($data['intsOrTexts'], static fn (mixed $item): bool => !((is_array($item) && UnionsOutputIntsOrTextsOption2Item::matches($item)))) === []) => array_map(UnionsOutputIntsOrTextsOption2Item::fromArray(...), $data['intsOrTexts']),
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
