<?php

declare(strict_types=1);

use FpmGateway\Call;

/** @param array{from: string, to: string, separator: string} $input */
return static function (array $input, Call $call): Generator {
    $utc = new DateTimeZone('UTC');
    $day = new DateTimeImmutable($input['from'], $utc);
    $last = new DateTimeImmutable($input['to'], $utc);
    $row = static fn (string ...$cells): string => implode($input['separator'], $cells) . "\r\n";

    $rows = $row('date', 'weekday', 'iso_week', 'day_of_year');
    while ($day <= $last) {
        $rows .= $row($day->format('Y-m-d'), $day->format('l'), $day->format('o-\WW'), (string) ($day->format('z') + 1));
        $day = $day->modify('+1 day');
        // A piece for each row would be a packet for each row.
        if (strlen($rows) > 16_384) {
            yield $rows;
            $rows = '';
        }
    }
    yield $rows;
};
