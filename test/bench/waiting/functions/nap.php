<?php

declare(strict_types=1);

use FpmGateway\Call;

/** @param array{ms: int} $input */
return static function (array $input, Call $call): array {
    $call->sleep($input['ms']);

    return ['sleptMs' => $input['ms']];
};
