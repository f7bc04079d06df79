<?php

declare(strict_types=1);

/** The pool's bootstrap: what it returns is the third argument of each handler. */

use App\Kernel\Application;

require_once __DIR__ . '/kernel/autoload.php';

return Application::boot(__DIR__);
