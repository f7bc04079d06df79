<?php

declare(strict_types=1);

/**
 * The bootstrap of the pool `shop`. What it returns is the third argument of the pool's handlers: made for each call
 * under php-fpm, once for all calls by resident workers.
 */

use FpmGateway\Database;
use FpmGateway\Resets;
use Shop\Container;
use Shop\Products;

require_once __DIR__ . '/psr.php';

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Shop\\')) {
        require __DIR__ . '/' . substr($class, 5) . '.php';
    }
});

$settings = [];
foreach (glob(__DIR__ . '/config/*') ?: [] as $file) {
    $settings = array_replace($settings, match (pathinfo($file, PATHINFO_EXTENSION)) {
        'ini' => parse_ini_file($file, false, INI_SCANNER_TYPED),
        'json' => json_decode((string) file_get_contents($file), true, 8, JSON_THROW_ON_ERROR),
    });
}
foreach (['vatPercent' => 'int', 'currency' => 'string', 'database' => 'string'] as $name => $type) {
    if (get_debug_type($settings[$name] ?? null) !== $type) {
        throw new UnexpectedValueException("config: {$name} must be {$type}");
    }
}

$container = new Container($settings);
// Connects with the first query of a worker, and again when the connection is gone.
$container->set(new Database('sqlite:' . __DIR__ . '/' . $settings['database']));
// What a call learned is not the next one's business: under php-fpm it would be gone as well.
Resets::add($container->get(Products::class)->forget(...));

return $container;
