<?php

/**
 * Waves (fastcgi-wave.php) for some time.
 *
 * usage: php pool-client.php SOCKET SCRIPT WAVE WARMUP_MS DURATION_MS
 */

declare(strict_types=1);

require __DIR__ . '/fastcgi-wave.php';

[, $path, $script, $size, $warmupMs, $durationMs] = $argv;
$names = array_fill(0, (int) $size, 'Ada');
$measureNs = hrtime(true) + (int) $warmupMs * 1_000_000;
$startedNs = null;
[$calls, $failed] = [0, 0];
do {
    $nowNs = hrtime(true);
    $measured = $nowNs >= $measureNs;
    $startedNs ??= $measured ? $nowNs : null;
    [$right, $wrong] = wave($path, $script, $names);
    $calls += $measured ? $right : 0;
    $failed += $wrong;
} while ($startedNs === null || hrtime(true) - $startedNs < (int) $durationMs * 1_000_000);
echo json_encode(['calls' => $calls, 'failed' => $failed, 'elapsedMs' => (hrtime(true) - $startedNs) / 1e6]), "\n";
