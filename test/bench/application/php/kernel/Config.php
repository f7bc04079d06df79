<?php

declare(strict_types=1);

namespace App\Kernel;

/** What all configuration files say together. */
final class Config
{
    /** @param array<string, mixed> $values */
    public function __construct(private readonly array $values)
    {
    }

    /** @param string $path such as `gadget.page_size` */
    public function get(string $path): mixed
    {
        $value = $this->values;
        foreach (explode('.', $path) as $key) {
            if (!is_array($value) || !array_key_exists($key, $value)) {
                throw new \OutOfBoundsException("the configuration has no {$path}");
            }
            $value = $value[$key];
        }

        return $value;
    }
}
