<?php

declare(strict_types=1);

/**
 * The one script php-fpm runs for every handler call. What to do comes in FastCGI parameters that only the gateway
 * can set; the input comes as the request body. The answer is one envelope (see Runtime.php).
 */

namespace FpmGateway;

if (!class_exists(Runtime::class, false)) {
    require __DIR__ . '/autoload.php';
}

(new Runtime())->serve();
