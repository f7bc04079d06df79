<?php

declare(strict_types=1);

namespace App\Kernel;

/** Finds the classes of the modules by their files, and what their attributes say: once, for all who want to know. */
final class Classes
{
    /** @param list<\ReflectionClass<object>> $all */
    private function __construct(private readonly array $all)
    {
    }

    /** @return list<class-string> by the names of the files */
    public static function find(string $folder): array
    {
        $files = new \RecursiveIteratorIterator(new \RecursiveDirectoryIterator($folder, \FilesystemIterator::SKIP_DOTS));
        $classes = [];
        foreach ($files as $file) {
            $path = substr($file->getPathname(), strlen($folder) + 1);
            // A class's file begins with a capital letter, and so do all its folders.
            if (str_ends_with($path, '.php') && !preg_match('~(^|/)[^A-Z]~', $path)) {
                $classes[] = 'App\\' . strtr(substr($path, 0, -4), '/', '\\');
            }
        }
        // In the order of their names: a file system gives them in any.
        sort($classes);

        return $classes;
    }

    /** @param list<class-string> $names */
    public static function load(array $names): self
    {
        return new self(array_map(static fn (string $name): \ReflectionClass => new \ReflectionClass($name), $names));
    }

    public function count(): int
    {
        return count($this->all);
    }

    /**
     * Of these folders of every module.
     *
     * @return \Generator<int, \ReflectionClass<object>>
     */
    public function in(string ...$folders): \Generator
    {
        foreach ($this->all as $class) {
            // `App\Gadget\Entity\Gadget`
            if (in_array(explode('\\', $class->name)[2], $folders, true)) {
                yield $class;
            }
        }
    }

    /** @return list<class-string> */
    public function implementing(string $interface): array
    {
        $found = [];
        foreach ($this->all as $class) {
            if ($class->implementsInterface($interface) && $class->isInstantiable()) {
                $found[] = $class->getName();
            }
        }

        return $found;
    }

    /**
     * @template T of object
     *
     * @param class-string<T> $attribute
     *
     * @return \Generator<\ReflectionMethod, T>
     */
    public function methodsWith(string $attribute): \Generator
    {
        foreach ($this->all as $class) {
            foreach ($class->getMethods(\ReflectionMethod::IS_PUBLIC) as $method) {
                foreach ($method->getAttributes($attribute) as $found) {
                    yield $method => $found->newInstance();
                }
            }
        }
    }

    /**
     * @template T of object
     *
     * @param class-string<T> $attribute
     *
     * @return \Generator<\ReflectionProperty, T>
     */
    public function propertiesWith(string $attribute): \Generator
    {
        foreach ($this->all as $class) {
            foreach ($class->getProperties() as $property) {
                foreach ($property->getAttributes($attribute) as $found) {
                    yield $property => $found->newInstance();
                }
            }
        }
    }
}
