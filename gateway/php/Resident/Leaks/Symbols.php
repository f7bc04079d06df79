<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * Where values can outlive a call: static properties, static variables of functions, methods and handlers, globals, and
 * what the bootstrap returned. Classes that were loaded meanwhile join when they are seen first.
 */
final class Symbols
{
    private const SUPERGLOBALS = ['_GET' => 1, '_POST' => 1, '_COOKIE' => 1, '_FILES' => 1, '_SERVER' => 1, '_REQUEST' => 1, '_SESSION' => 1, 'GLOBALS' => 1];

    /** @var array<string, true> */
    private array $knownClasses = [];
    /** @var array<string, true> */
    private array $knownFunctions = [];
    /** @var array<string, array{\ReflectionClass<object>, list<string>}> classes with static properties of their own */
    private array $classes = [];
    /** @var array<string, \ReflectionFunctionAbstract> those with static variables, by where they are */
    private array $functions = [];
    /** @var array<string, object> */
    private array $handlers = [];
    private int $evaluated = 0;

    /** @param array<string, callable> $handlers */
    public function __construct(private readonly mixed $app, array $handlers)
    {
        foreach ($handlers as $name => $handler) {
            if ($handler instanceof \Closure) {
                $this->handlers["handler of $name"] = $handler;
            } elseif (is_array($handler) && is_object($handler[0])) {
                $this->handlers["handler of $name"] = $handler[0];
            } elseif (is_object($handler)) {
                $this->handlers["handler of $name"] = $handler;
            }
        }
    }

    /**
     * Roots by name: `Shop\Cart::`, `$ in Shop\Cart::add()` (of its static variables), `handler of echo`, `$GLOBALS`, `$app`.
     *
     * @return \Generator<string, array{string, mixed}> name → [kind, value]
     */
    public function roots(): \Generator
    {
        $this->discover();
        foreach ($this->classes as $name => [$class, $own]) {
            try {
                $all = $class->getStaticProperties();
            } catch (\Throwable) {
                // A default that names a class not loaded yet: nobody has used these properties.
                continue;
            }
            $values = [];
            foreach ($own as $property) {
                if (array_key_exists($property, $all)) {
                    $values[$property] = $all[$property];
                }
            }
            yield "$name::" => ['static', $values];
        }
        foreach ($this->functions as $place => $function) {
            try {
                $values = Statics::of($function);
            } catch (\Throwable) {
                continue;
            }
            yield $place => ['static', $values];
        }
        foreach ($this->handlers as $name => $handler) {
            yield $name => ['static', $handler];
        }
        yield '$GLOBALS' => ['global', array_diff_key($GLOBALS, self::SUPERGLOBALS)];
        if (is_object($this->app) || is_array($this->app)) {
            yield '$app' => ['object', $this->app];
        }
    }

    /** How many classes and functions came from eval(): each such call adds some, for good. */
    public function evaluated(): int
    {
        return $this->evaluated;
    }

    public function discover(): void
    {
        $classes = get_declared_classes();
        // Not cut off at the end of the list: a class declared late may come to stand in its middle.
        foreach (count($classes) === count($this->knownClasses) ? [] : $classes as $name) {
            if (!isset($this->knownClasses[$name])) {
                $this->knownClasses[$name] = true;
                $class = new \ReflectionClass($name);
                if ($class->isUserDefined() && !str_starts_with($name, 'FpmGateway\\') && !$class->isTrait()) {
                    $this->addClass($class);
                }
            }
        }
        $functions = get_defined_functions()['user'];
        foreach (count($functions) === count($this->knownFunctions) ? [] : $functions as $name) {
            if (!isset($this->knownFunctions[$name])) {
                $this->knownFunctions[$name] = true;
                $this->addFunction(new \ReflectionFunction($name));
            }
        }
    }

    /** @param \ReflectionClass<object> $class */
    private function addClass(\ReflectionClass $class): void
    {
        $this->countEvaluated($class->getFileName());
        $own = [];
        foreach ($class->getProperties(\ReflectionProperty::IS_STATIC) as $property) {
            if ($property->class === $class->name) {
                $own[] = $property->name;
            }
        }
        if ($own !== []) {
            $this->classes[Leak::cut($class->name)] = [$class, $own];
        }
        foreach ($class->getMethods() as $method) {
            if ($method->class === $class->name) {
                $this->addFunction($method);
            }
        }
    }

    private function addFunction(\ReflectionFunctionAbstract $function): void
    {
        if (!$function instanceof \ReflectionMethod) {
            $this->countEvaluated($function->getFileName());
        }
        try {
            if (Statics::of($function) === []) {
                return;
            }
        } catch (\Throwable) {
            // Has some, whose first values need a class that is not loaded yet.
        }
        $place = match (true) {
            $function instanceof \ReflectionMethod => Leak::cut($function->class) . "::{$function->name}()",
            default => "{$function->name}()",
        };
        $this->functions["\$ in $place"] = $function;
    }

    private function countEvaluated(string|false $file): void
    {
        if ($file !== false && str_ends_with($file, "eval()'d code")) {
            ++$this->evaluated;
        }
    }
}
