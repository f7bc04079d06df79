<?php

declare(strict_types=1);

namespace App\Kernel;

/** Checks what callers send by the rules on the properties of input classes. */
final class Validator
{
    /** @var array<class-string, array<string, array{string, Rule}>> class => property => its type and its rule */
    private array $rules = [];

    public function __construct(Classes $classes)
    {
        foreach ($classes->propertiesWith(Rule::class) as $property => $rule) {
            if ($rule->min > $rule->max) {
                throw new \UnexpectedValueException("{$property->class}::\${$property->name} has its bounds the wrong way round");
            }
            $this->rules[$property->class][$property->name] = [(string) $property->getType(), $rule];
        }
    }

    /**
     * @template T of object
     *
     * @param class-string<T>      $class
     * @param array<string, mixed> $values
     *
     * @return T
     */
    public function read(string $class, array $values): object
    {
        $arguments = [];
        foreach ($this->rules[$class] as $name => [$type, $rule]) {
            $value = $values[$name] ?? null;
            $size = match (true) {
                $type === 'int' && is_int($value) => $value,
                $type === 'string' && is_string($value) => strlen($value),
                $type === 'array' && is_array($value) => count($value),
                default => throw new \InvalidArgumentException("{$name} must be {$type}"),
            };
            if ($size < $rule->min || $size > $rule->max) {
                throw new \InvalidArgumentException("{$name} is {$size}: it must be {$rule->min} to {$rule->max}");
            }
            $arguments[$name] = $value;
        }

        return new $class(...$arguments);
    }
}
