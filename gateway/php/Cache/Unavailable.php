<?php

declare(strict_types=1);

namespace FpmGateway\Cache;

/** The gateway's cache cannot be reached, and the method cannot do without: `add`, `delete` and `increment`. */
final class Unavailable extends \RuntimeException
{
}
