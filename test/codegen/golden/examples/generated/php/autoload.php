<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

// As the `bootstrap` of a pool, or included, where Composer does not load these classes.
spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'App\\Functions\\')) {
        $file = __DIR__ . '/' . substr($class, 14) . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
