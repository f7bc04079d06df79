<?php

declare(strict_types=1);

/**
 * The one script php-fpm runs for every script call. The user's file is required here, at the top level, so that its
 * variables are globals, as they are when a web server runs it.
 */

if (!class_exists(\FpmGateway\Script::class, false)) {
    require __DIR__ . '/Outcome.php';
    require __DIR__ . '/Script.php';
}

return require \FpmGateway\Script::begin();
