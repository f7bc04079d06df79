<?php

declare(strict_types=1);

/**
 * PSR-4: `App\Kernel\Config` is kernel/Config.php, `App\Gadget\Entity\Gadget` is modules/Gadget/Entity/Gadget.php, and
 * runtime/ has the gateway's PHP classes for where they are not preloaded.
 */

require_once __DIR__ . '/psr.php';

spl_autoload_register(static function (string $class): void {
    [$top, $path] = explode('\\', $class, 2) + ['', ''];
    $path = strtr($path, '\\', '/') . '.php';
    $folder = match (true) {
        $top === 'FpmGateway' => 'runtime/',
        $top === 'App' && str_starts_with($path, 'Kernel/') => '',
        $top === 'App' => 'modules/',
        default => null,
    };
    $file = dirname(__DIR__) . '/' . $folder . ($folder === '' ? 'kernel' . substr($path, 6) : $path);
    if ($folder !== null && is_file($file)) {
        require $file;
    }
});
