<?php

declare(strict_types=1);

/** Loads the classes of this folder, and only them. Include it to use `Call::fake()` in your own unit tests. */

namespace FpmGateway;

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'FpmGateway\\')) {
        $file = __DIR__ . '/' . substr($class, 11) . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
