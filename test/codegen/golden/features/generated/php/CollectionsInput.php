<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of collections. */
final class CollectionsInput implements \JsonSerializable
{
    /**
     * @param list<string> $texts
     * @param non-empty-list<int<1, 10>> $some
     * @param list<CollectionsInputItemsItem> $items
     * @param list<list<CollectionsInputGridItemItem>> $grid
     * @param list<CollectionsInputMaybesItem|null> $maybes
     * @param array<string, int> $numbers
     * @param array<string, CollectionsInputByNameValue> $byName
     * @param array<string, array<string, int>> $nested
     * @param array<string, list<CollectionsInputListsValueItem>> $lists
     * @param list<array<string, int>> $maps
     * @param array{string, int} $pair
     * @param non-empty-list<string|int> $rest
     * @param array{0: string, 1?: int} $openPair
     * @param array{int, CollectionsInputItemPairItem2, list<CollectionsInputItemPairItem3Item>} $itemPair
     * @param non-empty-list<int|CollectionsInputItemRestRest> $itemRest
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
        public readonly CollectionsInputSides $sides,
        public readonly CollectionsInputSomeSides $some_sides,
        public readonly array $pair,
        public readonly array $rest,
        public readonly array $openPair,
        public readonly array $itemPair,
        public readonly array $itemRest,
        public readonly CollectionsInputLoose $loose,
        public readonly CollectionsInputCaught $caught,
        public readonly CollectionsInputCaughtItems $caughtItems,
        public readonly CollectionsInputEmpty $empty,
        public readonly CollectionsInputOnlyOptional $onlyOptional,
        public readonly array $anyMap,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            texts: $data['texts'],
            some: $data['some'],
            items: array_map(CollectionsInputItemsItem::fromArray(...), $data['items']),
            grid: array_map(static fn (array $item): array => array_map(CollectionsInputGridItemItem::fromArray(...), $item), $data['grid']),
            maybes: array_map(static fn (mixed $item): ?CollectionsInputMaybesItem => $item === null ? null : CollectionsInputMaybesItem::fromArray($item), $data['maybes']),
            numbers: $data['numbers'],
            byName: array_map(CollectionsInputByNameValue::fromArray(...), $data['byName']),
            nested: $data['nested'],
            lists: array_map(static fn (array $item): array => array_map(CollectionsInputListsValueItem::fromArray(...), $item), $data['lists']),
            maps: $data['maps'],
            sides: CollectionsInputSides::fromArray($data['sides']),
            some_sides: CollectionsInputSomeSides::fromArray($data['some_sides']),
            pair: $data['pair'],
            rest: $data['rest'],
            openPair: $data['openPair'],
            itemPair: array_map(static fn (mixed $item, int $at): mixed => match ($at) {
                0 => $item,
                1 => CollectionsInputItemPairItem2::fromArray($item),
                2 => array_map(CollectionsInputItemPairItem3Item::fromArray(...), $item),
                default => $item,
            }, $data['itemPair'], array_keys($data['itemPair'])),
            itemRest: array_map(static fn (mixed $item, int $at): mixed => match ($at) {
                0 => $item,
                default => CollectionsInputItemRestRest::fromArray($item),
            }, $data['itemRest'], array_keys($data['itemRest'])),
            loose: CollectionsInputLoose::fromArray($data['loose']),
            caught: CollectionsInputCaught::fromArray($data['caught']),
            caughtItems: CollectionsInputCaughtItems::fromArray($data['caughtItems']),
            empty: CollectionsInputEmpty::fromArray($data['empty']),
            onlyOptional: CollectionsInputOnlyOptional::fromArray($data['onlyOptional']),
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
