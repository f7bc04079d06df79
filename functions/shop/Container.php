<?php

declare(strict_types=1);

namespace Shop;

use Psr\Container\ContainerInterface;
use Psr\Container\NotFoundExceptionInterface;

/** PSR-11: makes each service once, by the types of its constructor; scalars come from the setting of that name. */
final class Container implements ContainerInterface
{
    /** @var array<string, object> */
    private array $services = [];

    /** @param array<string, scalar> $settings */
    public function __construct(private readonly array $settings)
    {
    }

    public function set(object $service): void
    {
        $this->services[$service::class] = $service;
    }

    public function has(string $id): bool
    {
        return isset($this->services[$id]) || class_exists($id);
    }

    public function get(string $id): object
    {
        return $this->services[$id] ??= $this->make($id);
    }

    private function make(string $class): object
    {
        if (!class_exists($class)) {
            throw new class ("there is no {$class}") extends \RuntimeException implements NotFoundExceptionInterface {
            };
        }
        $reflection = new \ReflectionClass($class);
        $arguments = [];
        foreach ($reflection->getConstructor()?->getParameters() ?? [] as $parameter) {
            $type = $parameter->getType();
            $arguments[] = $type instanceof \ReflectionNamedType && !$type->isBuiltin()
                ? $this->get($type->getName())
                : $this->settings[$parameter->name] ?? throw new \LogicException("{$class} wants the setting {$parameter->name}");
        }

        return $reflection->newInstanceArgs($arguments);
    }
}
