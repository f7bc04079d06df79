<?php

declare(strict_types=1);

/**
 * For `opcache.preload`, in the pools the gateway runs: the classes of this folder, of Client, Cache, Net and Pooling are there when a request begins.
 * Elsewhere they are loaded when they are needed (see autoload.php).
 */

require __DIR__ . '/autoload.php';

foreach (['', 'Client/', 'Cache/', 'Net/', 'Pooling/'] as $folder) {
    foreach (glob(__DIR__ . "/{$folder}[A-Z]*.php") ?: [] as $file) {
        require_once $file;
    }
}
