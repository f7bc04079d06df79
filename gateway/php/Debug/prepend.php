<?php

declare(strict_types=1);

/**
 * For `auto_prepend_file`, under `dev --xdebug` alone: before each request under php-fpm, once in a resident worker. Of
 * its own prepended file the pool knows nothing: it follows here, at the top level, where its variables are globals.
 */

namespace FpmGateway\Debug;

require_once __DIR__ . '/Coverage.php';
require_once __DIR__ . '/Hooks.php';

Hooks::begin();

if ((string) get_cfg_var('fpmg.prepend') !== '') {
    require (string) get_cfg_var('fpmg.prepend');
}
