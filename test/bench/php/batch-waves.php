<?php

/**
 * So many items by waves (fastcgi-wave.php): the next begins when all of one are answered.
 *
 * usage: php batch-waves.php SOCKET SCRIPT WAVE ITEMS
 */

declare(strict_types=1);

require __DIR__ . '/fastcgi-wave.php';

[, $path, $script, $size, $items] = $argv;
[$calls, $failed] = [0, 0];
$startedNs = hrtime(true);
for ($from = 0; $from < (int) $items; $from += (int) $size) {
    $names = array_map(
        static fn (int $at): string => "Ada {$at}",
        range($from, min($from + (int) $size, (int) $items) - 1),
    );
    [$right, $wrong] = wave($path, $script, $names);
    $calls += $right;
    $failed += $wrong;
}
echo json_encode(['calls' => $calls, 'failed' => $failed, 'elapsedMs' => (hrtime(true) - $startedNs) / 1e6]), "\n";
