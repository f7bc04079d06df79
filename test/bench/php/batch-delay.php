<?php

/**
 * How long after its function has finished each line of a batch is here, in ms: same machine, same clock.
 *
 * usage: php batch-delay.php PORT ITEMS IN_FLIGHT MAX_US
 */

declare(strict_types=1);

require __DIR__ . '/batch-exchange.php';

[, $port, $items, $inFlight, $maxUs] = $argv;
mt_srand(1);
$item = static fn (): array => ['function' => 'sleep-finish', 'input' => ['us' => mt_rand(1_000, (int) $maxUs)]];
$exchange = new BatchExchange((int) $port, "/batch?concurrency={$inFlight}", pieces((int) $items, $item));
$came = [];
foreach ($exchange->lines() as $atS => $line) {
    // Read later: the next line must not wait for it.
    $came[] = [$atS, $line];
}
$delaysMs = [];
foreach ($came as [$atS, $line]) {
    $finishedS = json_decode($line, true)['output']['finishedS'] ?? null;
    if ($finishedS !== null) {
        $delaysMs[] = round(($atS - $finishedS) * 1000, 3);
    }
}
echo json_encode(['delaysMs' => $delaysMs, 'failed' => (int) $items - count($delaysMs)]), "\n";
