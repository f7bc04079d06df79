<?php

declare(strict_types=1);

/**
 * For `opcache.preload`, in the pools the gateway runs: the classes of this folder are there when a request begins.
 * Elsewhere they are loaded when they are needed (see autoload.php).
 */

foreach (glob(__DIR__ . '/[A-Z]*.php') ?: [] as $file) {
    require_once $file;
}
