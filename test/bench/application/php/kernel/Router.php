<?php

declare(strict_types=1);

namespace App\Kernel;

/** All routes of a method are one regular expression: how long a match takes hardly depends on how many there are. */
final class Router
{
    /** @var array<string, string> method => regular expression */
    private array $expressions = [];
    /** @var list<array{class-string, string, list<string>}> controller, method, names in the path */
    private array $routes = [];

    public function __construct(Classes $classes)
    {
        $patterns = [];
        foreach ($classes->methodsWith(Route::class) as $method => $route) {
            $names = [];
            $pattern = preg_replace_callback('/\{(\w+)\}|[^{]+/', static function (array $part) use (&$names): string {
                if (!isset($part[1])) {
                    return preg_quote($part[0], '~');
                }
                $names[] = $part[1];

                return '(\d+)';
            }, $route->path);
            $patterns[$route->method][] = $pattern . '(*MARK:' . count($this->routes) . ')';
            $this->routes[] = [$method->class, $method->name, $names];
        }
        foreach ($patterns as $method => $alternatives) {
            $this->expressions[$method] = '~^(?|' . implode('|', $alternatives) . ')$~';
            // A mistake in any of them is found here and not by a caller.
            if (preg_match($this->expressions[$method], '') === false) {
                throw new \UnexpectedValueException("the routes of {$method} cannot be compiled: " . preg_last_error_msg());
            }
        }
    }

    public function count(): int
    {
        return count($this->routes);
    }

    /** @return array{class-string, string, array<string, int>}|null */
    public function match(string $method, string $path): ?array
    {
        $expression = $this->expressions[$method] ?? null;
        if ($expression === null || !preg_match($expression, $path, $found)) {
            return null;
        }
        [$controller, $name, $names] = $this->routes[(int) $found['MARK']];
        $arguments = [];
        foreach ($names as $at => $argument) {
            $arguments[$argument] = (int) $found[$at + 1];
        }

        return [$controller, $name, $arguments];
    }
}
