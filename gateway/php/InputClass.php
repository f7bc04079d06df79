<?php

declare(strict_types=1);

namespace FpmGateway;

/**
 * The class a handler takes as its input instead of an array: `static function (CreatePdfInput $input, …)`. Looked up
 * once, when handlers are checked; calls are told the name.
 */
final class InputClass
{
    /**
     * @return class-string|null null for handlers that take what JSON is: arrays, texts, numbers
     * @throws \LogicException for a class that cannot be made of an array
     */
    public static function of(callable $handler): ?string
    {
        $function = new \ReflectionFunction(\Closure::fromCallable($handler));
        $parameter = $function->getParameters()[0] ?? null;
        $type = $parameter?->getType();
        // A union may hold the array as it is; a file that is the whole input is a value of its own.
        if (!$type instanceof \ReflectionNamedType || $type->isBuiltin() || $type->getName() === UploadedFile::class) {
            return null;
        }
        $class = $type->getName();
        $what = sprintf('The handler on line %d takes %s as its input, ', $function->getStartLine(), $class);
        if (!class_exists($class)) {
            throw new \LogicException($what . "but there is no such class: name the file that loads it as the pool's bootstrap.");
        }
        $method = method_exists($class, 'fromArray') ? new \ReflectionMethod($class, 'fromArray') : null;
        if ($method === null || !$method->isPublic() || !$method->isStatic()) {
            throw new \LogicException($what . 'which has no public static function fromArray(array $data): write it, or take an array.');
        }

        return $class;
    }
}
