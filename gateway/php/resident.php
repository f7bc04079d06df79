<?php

declare(strict_types=1);

/**
 * The one script of the PHP processes that serve many calls. The gateway starts it on the CLI and says over file
 * descriptor 3 what to load (see Resident/Start.php). Nothing here is a global variable: those are the application's.
 */

namespace FpmGateway\Resident;

require __DIR__ . '/autoload.php';

Process::main();
