<?php

declare(strict_types=1);

use FpmGateway\Call;

/** @param array{baskets: list<array{items: list<array{sku: string, quantity: int}>}>} $input */
return static function (array $input, Call $call): array {
    $pending = [];
    foreach ($input['baskets'] as $at => $basket) {
        $pending[$at] = $call->send('shop-quote', $basket);
    }
    $quotes = [];
    foreach ($call->each($pending) as $at => $result) {
        $quotes[$at] = $result->failure === null
            ? ['totalCents' => $result->get()['totalCents'], 'problem' => null]
            : ['totalCents' => null, 'problem' => $result->failure->failureCode];
    }
    ksort($quotes);

    return ['quotes' => $quotes];
};
