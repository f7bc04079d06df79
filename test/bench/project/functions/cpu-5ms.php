<?php

declare(strict_types=1);

/** @param array{iterations: int} $input */
return static function (array $input): array {
    $digest = '';
    for ($left = $input['iterations']; $left > 0; --$left) {
        $digest = hash('sha256', $digest);
    }

    return ['digest' => $digest];
};
