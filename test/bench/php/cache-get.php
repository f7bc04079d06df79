<?php

/**
 * Get after get in one process, as a resident worker makes them.
 *
 * usage: FPMG_CACHE=unix:/… php cache-get.php AUTOLOAD GETS
 */

declare(strict_types=1);

use FpmGateway\Cache;

[, $autoload, $gets] = $argv;
require $autoload;

$cache = Cache::ofEnvironment();
$us = [];
for ($at = 0; $at < (int) $gets; ++$at) {
    $startedNs = hrtime(true);
    $cache->get('bench');
    $us[] = (hrtime(true) - $startedNs) / 1000;
}
echo json_encode($us), "\n";
