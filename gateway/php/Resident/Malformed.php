<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** The gateway sent what it never sends: after that nothing read from it can be trusted. */
final class Malformed extends \RuntimeException
{
}
