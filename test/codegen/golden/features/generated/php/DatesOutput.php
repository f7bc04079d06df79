<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of dates. */
final class DatesOutput implements \JsonSerializable
{
    /**
     * @param \DateTimeImmutable $milli As JavaScript writes it
     * @param string $any Any number of decimals: a text
     * @param list<\DateTimeImmutable> $days
     * @param array<string, \DateTimeImmutable> $byName
     * @param array{\DateTimeImmutable, \DateTimeImmutable|null} $span
     * @param \DateTimeImmutable|null|Absent $either Absent: left out.
     */
    public function __construct(
        public readonly \DateTimeImmutable $day,
        public readonly \DateTimeImmutable $minute,
        public readonly \DateTimeImmutable $second,
        public readonly \DateTimeImmutable $milli,
        public readonly \DateTimeImmutable $micro,
        public readonly string $any,
        public readonly string $local,
        public readonly string $time,
        public readonly ?\DateTimeImmutable $maybe,
        public readonly array $days,
        public readonly array $byName,
        public readonly \DateTimeImmutable|int $dayOrNumber,
        public readonly string $dayOrText,
        public readonly array $span,
        public readonly ?\DateTimeImmutable $left = null,
        public readonly \DateTimeImmutable|Absent|null $either = Absent::Value,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            day: new \DateTimeImmutable($data['day'], new \DateTimeZone('UTC')),
            minute: new \DateTimeImmutable($data['minute'], new \DateTimeZone('UTC')),
            second: new \DateTimeImmutable($data['second'], new \DateTimeZone('UTC')),
            milli: new \DateTimeImmutable($data['milli'], new \DateTimeZone('UTC')),
            micro: new \DateTimeImmutable($data['micro'], new \DateTimeZone('UTC')),
            any: $data['any'],
            local: $data['local'],
            time: $data['time'],
            maybe: $data['maybe'] === null ? null : new \DateTimeImmutable($data['maybe'], new \DateTimeZone('UTC')),
            left: isset($data['left']) ? new \DateTimeImmutable($data['left'], new \DateTimeZone('UTC')) : null,
            either: array_key_exists('either', $data) ? ($data['either'] === null ? null : new \DateTimeImmutable($data['either'], new \DateTimeZone('UTC'))) : Absent::Value,
            days: array_map(static fn (string $item): \DateTimeImmutable => new \DateTimeImmutable($item, new \DateTimeZone('UTC')), $data['days']),
            byName: array_map(static fn (string $item): \DateTimeImmutable => new \DateTimeImmutable($item, new \DateTimeZone('UTC')), $data['byName']),
            dayOrNumber: match (true) {
                (is_string($data['dayOrNumber']) && preg_match('/^\\d{4}-\\d\\d-\\d\\d$/D', $data['dayOrNumber']) === 1) => new \DateTimeImmutable($data['dayOrNumber'], new \DateTimeZone('UTC')),
                default => $data['dayOrNumber'],
            },
            dayOrText: $data['dayOrText'],
            span: array_map(static fn (mixed $item, int $at): mixed => match ($at) {
                0 => new \DateTimeImmutable($item, new \DateTimeZone('UTC')),
                1 => $item === null ? null : new \DateTimeImmutable($item, new \DateTimeZone('UTC')),
                default => $item,
            }, $data['span'], array_keys($data['span'])),
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'day' => $this->day->format('Y-m-d'),
            'minute' => $this->minute->setTimezone(new \DateTimeZone('UTC'))->format('Y-m-d\TH:i\Z'),
            'second' => $this->second->setTimezone(new \DateTimeZone('UTC'))->format('Y-m-d\TH:i:s\Z'),
            'milli' => $this->milli->setTimezone(new \DateTimeZone('UTC'))->format('Y-m-d\TH:i:s.v\Z'),
            'micro' => $this->micro->setTimezone(new \DateTimeZone('UTC'))->format('Y-m-d\TH:i:s.u\Z'),
            'any' => $this->any,
            'local' => $this->local,
            'time' => $this->time,
            'maybe' => $this->maybe === null ? null : $this->maybe->format('Y-m-d'),
        ];
        if ($this->left !== null) {
            $data['left'] = $this->left->format('Y-m-d');
        }
        if ($this->either !== Absent::Value) {
            $data['either'] = $this->either === null ? null : $this->either->format('Y-m-d');
        }
        $data['days'] = array_map(static fn (mixed $item): mixed => $item->format('Y-m-d'), $this->days);
        $data['byName'] = (static fn (array $map): array|object => array_is_list($map) ? (object) $map : $map)(array_map(static fn (mixed $item): mixed => $item->setTimezone(new \DateTimeZone('UTC'))->format('Y-m-d\TH:i:s.v\Z'), $this->byName));
        $data['dayOrNumber'] = match (true) {
            $this->dayOrNumber instanceof \DateTimeImmutable => $this->dayOrNumber->format('Y-m-d'),
            default => $this->dayOrNumber,
        };
        $data['dayOrText'] = $this->dayOrText;
        $data['span'] = array_map(static fn (mixed $item, int $at): mixed => match ($at) {
            0 => $item->format('Y-m-d'),
            1 => $item === null ? null : $item->format('Y-m-d'),
            default => $item,
        }, $this->span, array_keys($this->span));

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
