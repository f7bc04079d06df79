<?php

declare(strict_types=1);

namespace FpmGateway;

/** Nobody wants the call's answer any more. Thrown where it waits, in concurrent workers: time to clean up, not to go on. */
final class Cancelled extends \RuntimeException
{
}
