<?php

declare(strict_types=1);

/** @param array{name: string} $input */
return static fn (array $input): array => ['hello' => $input['name']];
