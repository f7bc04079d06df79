<?php

declare(strict_types=1);

namespace FpmGateway\Pooling;

use FpmGateway\Wait;

/**
 * A call's claim to one of several `Places`: granted, or in line. It ends with this object, so that a call that ends in
 * whatever way holds none.
 *
 * @internal
 */
final class Place
{
    private bool $isGranted = false;
    /** @var \WeakReference<object>|null the call that waits */
    private readonly ?\WeakReference $owner;

    public function __construct(private readonly Places $places)
    {
        $owner = Wait::$scheduler?->owner();
        $this->owner = $owner === null ? null : \WeakReference::create($owner);
    }

    public function __destruct()
    {
        if ($this->isGranted) {
            $this->places->free();
        }
    }

    public function isGranted(): bool
    {
        return $this->isGranted;
    }

    public function grant(): void
    {
        $this->isGranted = true;
        $owner = $this->owner?->get();
        if ($owner !== null) {
            Wait::$scheduler?->wake($owner);
        }
    }
}
