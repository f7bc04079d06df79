<?php

declare(strict_types=1);

namespace App\Kernel;

use Psr\Container\ContainerExceptionInterface;

final class NotMade extends \RuntimeException implements ContainerExceptionInterface
{
}
