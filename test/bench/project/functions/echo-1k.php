<?php

declare(strict_types=1);

/** @param array{text: string} $input */
return static fn (array $input): array => ['text' => $input['text']];
