<?php

declare(strict_types=1);

namespace App\Kernel;

use Psr\Container\NotFoundExceptionInterface;

final class NotFound extends \RuntimeException implements NotFoundExceptionInterface
{
}
