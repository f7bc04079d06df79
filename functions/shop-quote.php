<?php

declare(strict_types=1);

use FpmGateway\Call;
use Psr\Container\ContainerInterface;
use Shop\Quotes;

/** @param array{items: list<array{sku: string, quantity: int}>} $input */
return static fn (array $input, Call $call, ContainerInterface $app): array => $app->get(Quotes::class)->quote($input['items']);
