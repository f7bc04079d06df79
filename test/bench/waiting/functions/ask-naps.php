<?php

declare(strict_types=1);

use FpmGateway\Call;

/** @param array{calls: int, ms: int} $input */
return static function (array $input, Call $call): array {
    $pending = [];
    for ($left = $input['calls']; $left > 0; --$left) {
        $pending[] = $call->send('far-nap', ['ms' => $input['ms']]);
    }

    return ['sleptMs' => array_sum(array_column($call->waitAll($pending), 'sleptMs'))];
};
