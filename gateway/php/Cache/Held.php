<?php

declare(strict_types=1);

namespace FpmGateway\Cache;

use FpmGateway\Pooling\Place;

/**
 * A connection to the cache while a call has it.
 *
 * @internal
 */
final class Held
{
    /** Values that the call is making: they end with the connection. */
    public int $leases = 0;

    public function __construct(public readonly Link $link, private readonly Place $place)
    {
    }
}
