<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** Where records go. */
interface Destination
{
    /** False when the gateway is gone. */
    public function write(string $bytes): bool;
}
