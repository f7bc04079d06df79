<?php

declare(strict_types=1);

namespace App\Kernel;

final class NotAllowed extends \RuntimeException
{
}
