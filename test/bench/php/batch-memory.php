<?php

/**
 * So many items of 1 kB in one batch, whose results are 1 kB each.
 *
 * usage: php batch-memory.php PORT ITEMS at-once|afterwards
 */

declare(strict_types=1);

require __DIR__ . '/batch-exchange.php';

[, $port, $items, $reads] = $argv;
$text = str_repeat('0123456789', 100);
$startedNs = hrtime(true);
$item = static fn (): array => ['function' => 'echo-1k', 'input' => ['text' => $text]];
$exchange = new BatchExchange((int) $port, '/batch', pieces((int) $items, $item));
if ($reads === 'afterwards') {
    $exchange->sendAll();
}
$sentMs = (hrtime(true) - $startedNs) / 1e6;
$right = 0;
foreach ($exchange->lines() as $line) {
    $right += (int) str_contains($line, $text);
}
$elapsedMs = (hrtime(true) - $startedNs) / 1e6;
echo json_encode(
    ['calls' => $right, 'failed' => (int) $items - $right, 'elapsedMs' => $elapsedMs, 'sentMs' => $sentMs],
), "\n";
