<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of collections. */
final class CollectionsOutput implements \JsonSerializable
{
    /**
     * @param list<string> $texts
     * @param non-empty-list<int<1, 10>> $some
     * @param list<CollectionsOutputItemsItem> $items
     * @param list<list<CollectionsOutputGridItemItem>> $grid
     * @param list<CollectionsOutputMaybesItem|null> $maybes
     * @param array<string, int> $numbers
     * @param array<string, CollectionsOutputByNameValue> $byName
     * @param array<string, array<string, int>> $nested
     * @param array<string, list<CollectionsOutputListsValueItem>> $lists
     * @param list<array<string, int>> $maps
     * @param array{string, int} $pair
     * @param non-empty-list<string|int> $rest
     * @param array{0: string, 1?: int} $openPair
     * @param array{int, CollectionsOutputItemPairItem2, list<CollectionsOutputItemPairItem3Item>} $itemPair
     * @param non-empty-list<int|CollectionsOutputItemRestRest> $itemRest
     * @param array<string, mixed> $anyMap
     */
    public function __construct(
        public readonly array $texts,
        public readonly array $some,
        public readonly array $items,
        public readonly array $grid,
        public readonly array $maybes,
        public readonly array $numbers,
        public readonly array $byName,
        public readonly array $nested,
        public readonly array $lists,
        public readonly array $maps,
        public readonly CollectionsOutputSides $sides,
        public readonly CollectionsOutputSomeSides $some_sides,
        public readonly array $pair,
        public readonly array $rest,
        public readonly array $openPair,
        public readonly array $itemPair,
        public readonly array $itemRest,
        public readonly CollectionsOutputLoose $loose,
        public readonly CollectionsOutputCaught $caught,
        public readonly CollectionsOutputCaughtItems $caughtItems,
        public readonly CollectionsOutputEmpty $empty,
        public readonly CollectionsOutputOnlyOptional $onlyOptional,
        public readonly array $anyMap,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            texts: $data['texts'],
            some: $data['some'],
            items: array_map(CollectionsOutputItemsItem::fromArray(...), $data['items']),
            grid: array_map(static fn (array $item): array => array_map(CollectionsOutputGridItemItem::fromArray(...), $item), $data['grid']),
            maybes: array_map(static fn (mixed $item): ?CollectionsOutputMaybesItem => $item === null ? null : CollectionsOutputMaybesItem::fromArray($item), $data['maybes']),
            numbers: $data['numbers'],
            byName: array_map(CollectionsOutputByNameValue::fromArray(...), $data['byName']),
            nested: $data['nested'],
            lists: array_map(static fn (array $item): array => array_map(CollectionsOutputListsValueItem::fromArray(...), $item), $data['lists']),
            maps: $data['maps'],
            sides: CollectionsOutputSides::fromArray($data['sides']),
            some_sides: CollectionsOutputSomeSides::fromArray($data['some_sides']),
            pair: $data['pair'],
            rest: $data['rest'],
            openPair: $data['openPair'],
            itemPair: array_map(static fn (mixed $item, int $at): mixed => match ($at) {
                0 => $item,
                1 => CollectionsOutputItemPairItem2::fromArray($item),
                2 => array_map(CollectionsOutputItemPairItem3Item::fromArray(...), $item),
                default => $item,
            }, $data['itemPair'], array_keys($data['itemPair'])),
            itemRest: array_map(static fn (mixed $item, int $at): mixed => match ($at) {
                0 => $item,
                default => CollectionsOutputItemRestRest::fromArray($item),
            }, $data['itemRest'], array_keys($data['itemRest'])),
            loose: CollectionsOutputLoose::fromArray($data['loose']),
            caught: CollectionsOutputCaught::fromArray($data['caught']),
            caughtItems: CollectionsOutputCaughtItems::fromArray($data['caughtItems']),
            empty: CollectionsOutputEmpty::fromArray($data['empty']),
            onlyOptional: CollectionsOutputOnlyOptional::fromArray($data['onlyOptional']),
            anyMap: $data['anyMap'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'texts' => $this->texts,
            'some' => $this->some,
            'items' => $this->items,
            'grid' => $this->grid,
            'maybes' => $this->maybes,
            'numbers' => array_is_list($this->numbers) ? (object) $this->numbers : $this->numbers,
            'byName' => array_is_list($this->byName) ? (object) $this->byName : $this->byName,
            'nested' => (static fn (array $map): array|object => array_is_list($map) ? (object) $map : $map)(array_map(static fn (mixed $item): mixed => array_is_list($item) ? (object) $item : $item, $this->nested)),
            'lists' => array_is_list($this->lists) ? (object) $this->lists : $this->lists,
            'maps' => array_map(static fn (mixed $item): mixed => array_is_list($item) ? (object) $item : $item, $this->maps),
            'sides' => $this->sides,
            'some_sides' => $this->some_sides,
            'pair' => $this->pair,
            'rest' => $this->rest,
            'openPair' => $this->openPair,
            'itemPair' => $this->itemPair,
            'itemRest' => $this->itemRest,
            'loose' => $this->loose,
            'caught' => $this->caught,
            'caughtItems' => $this->caughtItems,
            'empty' => $this->empty,
            'onlyOptional' => $this->onlyOptional,
            'anyMap' => array_is_list($this->anyMap) ? (object) $this->anyMap : $this->anyMap,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
