<?php

declare(strict_types=1);

use FpmGateway\Call;

/** @param array{gets: int} $input */
return static function (array $input, Call $call): array {
    $us = [];
    for ($at = 0; $at < $input['gets']; ++$at) {
        $startedNs = hrtime(true);
        $value = $call->cache->get('bench');
        $us[] = (hrtime(true) - $startedNs) / 1000;
    }
    if ($value === null) {
        $call->cache->set('bench', str_repeat('x', 100));
    }

    return ['us' => $us, 'address' => (string) getenv('FPMG_CACHE')];
};
