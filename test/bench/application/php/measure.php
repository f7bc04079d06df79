<?php

declare(strict_types=1);

/** How long the bootstrap took, for a php-fpm that is warm: calibration, and what was met. */

$startedNs = hrtime(true);
$application = require __DIR__ . '/bootstrap.php';
$elapsedMs = (hrtime(true) - $startedNs) / 1e6;
$opcache = opcache_get_status(false) ?: throw new RuntimeException('opcache is off');
$opcache['cache_full'] && throw new RuntimeException('opcache is full: it is not on for all of the application');
header('Content-Type: application/json');
echo json_encode(['ms' => $elapsedMs, 'phasesMs' => $application->phasesMs] + $application->size());
