<?php

declare(strict_types=1);

namespace FpmGateway;

/** The time of the call ran out while it waited. Thrown where it waits, in concurrent workers: time to clean up, not to go on. */
final class DeadlineExceeded extends \RuntimeException
{
}
