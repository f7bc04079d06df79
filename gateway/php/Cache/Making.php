<?php

declare(strict_types=1);

namespace FpmGateway\Cache;

use FpmGateway\Pooling\Place;
use FpmGateway\Pooling\Places;

/**
 * A value that one call of this worker makes, or asks for, while others of this worker want it, too.
 *
 * @internal
 */
final class Making
{
    /** Those that wait for it are in line. */
    public readonly Places $places;
    /** Encoded; null: it was not made, or may be out of date already. */
    public ?string $value = null;
    private ?Place $place;

    public function __construct(public readonly object $maker)
    {
        $this->places = new Places(1);
        $this->place = $this->places->ask();
    }

    public function end(?string $value): void
    {
        $this->value = $value;
        $this->place = null;
    }
}
