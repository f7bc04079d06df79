<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of presence. */
final class PresenceOutput implements \JsonSerializable
{
    /**
     * @param string|null|Absent $nullish Absent: left out.
     * @param PresenceOutputNullishPoint|null|Absent $nullishPoint Absent: left out.
     * @param list<string> $list
     * @param list<PresenceOutputChoicesItem> $choices
     * @param array<string, int> $map
     */
    public function __construct(
        public readonly string $last,
        public readonly ?string $nullable,
        public readonly int $pre,
        public readonly ?string $optional = null,
        public readonly string|Absent|null $nullish = Absent::Value,
        public readonly PresenceOutputNullishPoint|Absent|null $nullishPoint = Absent::Value,
        public readonly ?PresenceOutputOptionalPoint $optionalPoint = null,
        public readonly string $text = 'it\'s \\ $5',
        public readonly ?int $maybe = 3,
        public readonly ?int $none = null,
        public readonly PresenceOutputChoice $choice = PresenceOutputChoice::Left,
        public readonly array $list = ['a', 'b'],
        public readonly array $choices = [PresenceOutputChoicesItem::U],
        public readonly array $map = [],
        public readonly \DateTimeImmutable $day = new \DateTimeImmutable('2026-01-31', new \DateTimeZone('UTC')),
        public readonly PresenceOutputPoint $point = new PresenceOutputPoint(x: 1, y: 2),
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            last: $data['last'],
            optional: $data['optional'] ?? null,
            nullable: $data['nullable'],
            nullish: array_key_exists('nullish', $data) ? $data['nullish'] : Absent::Value,
            nullishPoint: array_key_exists('nullishPoint', $data) ? ($data['nullishPoint'] === null ? null : PresenceOutputNullishPoint::fromArray($data['nullishPoint'])) : Absent::Value,
            optionalPoint: isset($data['optionalPoint']) ? PresenceOutputOptionalPoint::fromArray($data['optionalPoint']) : null,
            text: $data['text'] ?? 'it\'s \\ $5',
            maybe: array_key_exists('maybe', $data) ? $data['maybe'] : 3,
            none: array_key_exists('none', $data) ? $data['none'] : null,
            choice: isset($data['choice']) ? PresenceOutputChoice::from($data['choice']) : PresenceOutputChoice::Left,
            list: $data['list'] ?? ['a', 'b'],
            choices: isset($data['choices']) ? array_map(PresenceOutputChoicesItem::from(...), $data['choices']) : [PresenceOutputChoicesItem::U],
            map: $data['map'] ?? [],
            day: isset($data['day']) ? new \DateTimeImmutable($data['day'], new \DateTimeZone('UTC')) : new \DateTimeImmutable('2026-01-31', new \DateTimeZone('UTC')),
            point: isset($data['point']) ? PresenceOutputPoint::fromArray($data['point']) : new PresenceOutputPoint(x: 1, y: 2),
            pre: $data['pre'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'last' => $this->last,
        ];
        if ($this->optional !== null) {
            $data['optional'] = $this->optional;
        }
        $data['nullable'] = $this->nullable;
        if ($this->nullish !== Absent::Value) {
            $data['nullish'] = $this->nullish;
        }
        if ($this->nullishPoint !== Absent::Value) {
            $data['nullishPoint'] = $this->nullishPoint;
        }
        if ($this->optionalPoint !== null) {
            $data['optionalPoint'] = $this->optionalPoint;
        }
        $data['text'] = $this->text;
        $data['maybe'] = $this->maybe;
        $data['none'] = $this->none;
        $data['choice'] = $this->choice;
        $data['list'] = $this->list;
        $data['choices'] = $this->choices;
        $data['map'] = array_is_list($this->map) ? (object) $this->map : $this->map;
        $data['day'] = $this->day->format('Y-m-d');
        $data['point'] = $this->point;
        $data['pre'] = $this->pre;

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
