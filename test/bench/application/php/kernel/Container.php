<?php

declare(strict_types=1);

namespace App\Kernel;

use Psr\Container\ContainerInterface;

/** PSR-11. What was not given it makes itself, by the types of the constructor's parameters; each once. */
final class Container implements ContainerInterface
{
    /** @var array<string, object> */
    private array $made = [];
    /** @var array<string, class-string> interface => class */
    private array $classes = [];
    /** @var array<string, true> what is being made, to tell a circle */
    private array $making = [];
    private readonly Definitions $definitions;

    public function __construct(Config $config)
    {
        $this->definitions = new Definitions($config);
        $this->made[self::class] = $this->made[ContainerInterface::class] = $this;
        $this->made[Config::class] = $config;
    }

    public function set(string $id, object $service): void
    {
        $this->made[$id] = $service;
    }

    /** @param class-string $class */
    public function bind(string $interface, string $class): void
    {
        if (!is_subclass_of($class, $interface)) {
            throw new NotMade("{$class} does not implement {$interface}");
        }
        $this->classes[$interface] = $class;
    }

    /**
     * Throws if one of them could not be made.
     *
     * @param iterable<\ReflectionClass<object>> $classes
     */
    public function check(iterable $classes): void
    {
        foreach ($classes as $class) {
            if ($class->isInstantiable()) {
                $this->definitions->of($class->name);
            }
        }
        $this->definitions->check($this->has(...));
    }

    public function has(string $id): bool
    {
        return isset($this->made[$id]) || isset($this->classes[$id]) || class_exists($id);
    }

    public function get(string $id): object
    {
        return $this->made[$id] ??= $this->make($this->classes[$id] ?? $id);
    }

    private function make(string $class): object
    {
        if (isset($this->made[$class])) {
            return $this->made[$class];
        }
        if (isset($this->making[$class])) {
            throw new NotMade('a circle: ' . implode(' needs ', [...array_keys($this->making), $class]));
        }
        $this->making[$class] = true;
        try {
            $arguments = [];
            foreach ($this->definitions->of($class) as [$kind, $value]) {
                $arguments[] = $kind === 'service' ? $this->get($value) : $value;
            }

            return $this->made[$class] = new $class(...$arguments);
        } finally {
            unset($this->making[$class]);
        }
    }
}
