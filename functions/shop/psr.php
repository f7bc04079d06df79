<?php

declare(strict_types=1);

/** PSR-11. With Composer these come from psr/container. */

namespace Psr\Container;

interface ContainerExceptionInterface extends \Throwable
{
}

interface NotFoundExceptionInterface extends ContainerExceptionInterface
{
}

interface ContainerInterface
{
    public function get(string $id): mixed;

    public function has(string $id): bool;
}
