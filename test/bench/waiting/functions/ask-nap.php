<?php

declare(strict_types=1);

use FpmGateway\Call;

/** @param array{ms: int} $input */
return static fn (array $input, Call $call): array => $call->invoke('far-nap', $input);
