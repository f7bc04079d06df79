<?php

declare(strict_types=1);

/** Loads the classes of this folder, and only them. Include it to use `Call::fake()` in your own unit tests. */

namespace FpmGateway;

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'FpmGateway\\')) {
        // Callers elsewhere have the folder Client alone: what they need, too, lies there.
        $name = $class === Binary::class ? 'Client/Binary' : strtr(substr($class, 11), '\\', '/');
        $file = __DIR__ . "/$name.php";
        if (is_file($file)) {
            require $file;
        }
    }
});
