<?php

declare(strict_types=1);

use FpmGateway\Call;

/** @param array{ms: int} $input */
return static function (array $input, Call $call): array {
    $start = hrtime(true);
    usleep($input['ms'] * 1000);

    // Measured, not repeated from the input: a signal can cut a sleep short.
    return ['sleptMs' => (int) round((hrtime(true) - $start) / 1e6)];
};
