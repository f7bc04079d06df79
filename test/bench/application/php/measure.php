<?php

declare(strict_types=1);

/** How long the bootstrap took, for a php-fpm that is warm: calibration, and what was met. */

$cpuMs = static function (): float {
    $used = getrusage();

    return ($used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec']) * 1e3 + ($used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec']) / 1e3;
};
$startedNs = hrtime(true);
$startedCpuMs = $cpuMs();
$application = require __DIR__ . '/bootstrap.php';
$elapsed = ['ms' => (hrtime(true) - $startedNs) / 1e6, 'cpuMs' => $cpuMs() - $startedCpuMs];
$opcache = opcache_get_status(false) ?: throw new RuntimeException('opcache is off');
if ($opcache['cache_full']) {
    throw new RuntimeException('opcache is full: it does not hold all of the application');
}
header('Content-Type: application/json');
echo json_encode($elapsed + ['phasesMs' => $application->phasesMs] + $application->size());
