<?php

declare(strict_types=1);

/** @param array{us: int} $input */
return static function (array $input): array {
    usleep($input['us']);

    return ['finishedS' => microtime(true)];
};
