<?php

declare(strict_types=1);

/** PSR-11, as its specification has it: an application without Composer brings the interfaces itself. */

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
