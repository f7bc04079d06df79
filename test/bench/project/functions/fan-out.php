<?php

declare(strict_types=1);

use FpmGateway\Call;

/** @param array{calls: int, us: int} $input */
return static function (array $input, Call $call): array {
    $startedNs = hrtime(true);
    $pending = [];
    for ($at = 0; $at < $input['calls']; ++$at) {
        $pending[] = $call->send('sleep-5ms', ['us' => $input['us']]);
    }
    $failed = 0;
    foreach ($call->each($pending) as $result) {
        $failed += (int) ($result->failure !== null);
    }

    return ['elapsedMs' => (hrtime(true) - $startedNs) / 1e6, 'failed' => $failed];
};
