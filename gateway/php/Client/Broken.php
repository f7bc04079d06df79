<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * A connection is of no use any more; the message says why.
 *
 * @internal
 */
final class Broken extends \RuntimeException
{
}
