<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of ambiguous. */
final class AmbiguousInput implements \JsonSerializable
{
    /**
     * @param list<int>|array<string, int>|null $listOrMap
     * @param non-empty-list<int>|array<string, int>|null $fullListOrMap
     * @param mixed $tree Absent: left out.
     */
    public function __construct(
        public readonly ?array $listOrMap = null,
        public readonly ?array $fullListOrMap = null,
        public readonly mixed $tree = Absent::Value,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            listOrMap: $data['listOrMap'] ?? null,
            fullListOrMap: $data['fullListOrMap'] ?? null,
            tree: array_key_exists('tree', $data) ? $data['tree'] : Absent::Value,
        );
    }

    /** @return array<string, mixed>|object what `json_encode` writes */
    public function jsonSerialize(): array|object
    {
        $data = [];
        if ($this->listOrMap !== null) {
            $data['listOrMap'] = match (true) {
            is_array($this->listOrMap) && !array_is_list($this->listOrMap) => array_is_list($this->listOrMap) ? (object) $this->listOrMap : $this->listOrMap,
            default => $this->listOrMap,
        };
        }
        if ($this->fullListOrMap !== null) {
            $data['fullListOrMap'] = match (true) {
            is_array($this->fullListOrMap) && (!array_is_list($this->fullListOrMap) || $this->fullListOrMap === []) => array_is_list($this->fullListOrMap) ? (object) $this->fullListOrMap : $this->fullListOrMap,
            default => $this->fullListOrMap,
        };
        }
        if ($this->tree !== Absent::Value) {
            $data['tree'] = $this->tree;
        }

        return array_is_list($data) ? (object) $data : $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
