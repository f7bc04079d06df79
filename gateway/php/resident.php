<?php

declare(strict_types=1);

/**
 * The one script of the PHP processes that serve many calls. The gateway starts it on the CLI and says over file
 * descriptor 3 what to load (see Resident/Start.php). Nothing here is a global variable: those are the application's.
 */

namespace FpmGateway\Resident;

// Read from stdin (`php -- <this folder> < resident.php`), PHP defines no STDERR, as under php-fpm: libraries that ask
// for it find none, instead of one that is closed (see Resident/Stderr.php).
require (\defined('STDERR') ? __DIR__ : $argv[1]) . '/autoload.php';

Process::main();
