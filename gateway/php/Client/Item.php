<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/** One call of a batch. */
final class Item
{
    /** @param int|null $timeoutMs null: as long as the batch may */
    public function __construct(
        public readonly string $function,
        public readonly mixed $input = [],
        public readonly ?int $timeoutMs = null,
    ) {
    }
}
