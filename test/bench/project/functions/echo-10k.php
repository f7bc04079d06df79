<?php

declare(strict_types=1);

/** @param array{items: list<array<string, mixed>>} $input */
return static fn (array $input): array => ['items' => $input['items']];
