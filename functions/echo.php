<?php

declare(strict_types=1);

use FpmGateway\Call;

/** @param array{name: string} $input */
return static function (array $input, Call $call): array {
    return ['hello' => $input['name']];
};
