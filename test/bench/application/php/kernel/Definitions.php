<?php

declare(strict_types=1);

namespace App\Kernel;

/**
 * How each service is made: the arguments of its constructor, found by reflection and checked before anything is made,
 * so that one that cannot be is told at the start and not by its first caller.
 */
final class Definitions
{
    /** @var array<class-string, list<array{'service'|'setting'|'value', mixed}>> */
    private array $arguments = [];

    public function __construct(private readonly Config $config)
    {
    }

    /** @return list<array{'service'|'setting'|'value', mixed}> */
    public function of(string $class): array
    {
        return $this->arguments[$class] ??= $this->define($class);
    }

    /** @param callable(string): bool $isKnown */
    public function check(callable $isKnown): void
    {
        foreach ($this->arguments as $class => $arguments) {
            foreach ($arguments as [$kind, $value]) {
                if ($kind === 'service' && !$isKnown($value)) {
                    throw new NotMade("{$class} needs {$value}, which nobody makes");
                }
            }
        }
    }

    /** @return list<array{'service'|'setting'|'value', mixed}> */
    private function define(string $class): array
    {
        if (!class_exists($class)) {
            throw new NotFound("there is no {$class}");
        }
        $arguments = [];
        foreach ((new \ReflectionClass($class))->getConstructor()?->getParameters() ?? [] as $parameter) {
            $arguments[] = $this->argument($parameter);
        }

        return $arguments;
    }

    /** @return array{'service'|'setting'|'value', mixed} */
    private function argument(\ReflectionParameter $parameter): array
    {
        foreach ($parameter->getAttributes(Setting::class) as $attribute) {
            return ['setting', $this->setting($parameter, $attribute->newInstance()->path)];
        }
        $type = $parameter->getType();
        if ($type instanceof \ReflectionNamedType && !$type->isBuiltin()) {
            return ['service', $type->getName()];
        }
        if ($parameter->isDefaultValueAvailable()) {
            return ['value', $parameter->getDefaultValue()];
        }
        $of = $parameter->getDeclaringClass()?->getName();
        throw new NotMade("\${$parameter->getName()} of {$of} has neither a class, a setting nor a default");
    }

    private function setting(\ReflectionParameter $parameter, string $path): mixed
    {
        $value = $this->config->get($path);
        if (get_debug_type($value) !== (string) $parameter->getType()) {
            throw new NotMade("{$path} is " . get_debug_type($value) . ", \${$parameter->getName()} is {$parameter->getType()}");
        }

        return $value;
    }
}
