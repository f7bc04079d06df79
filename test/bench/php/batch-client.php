<?php

/**
 * So many items in one batch, by a bare socket.
 *
 * usage: php batch-client.php PORT ITEMS
 */

declare(strict_types=1);

require __DIR__ . '/batch-exchange.php';

[, $port, $items] = $argv;
$startedNs = hrtime(true);
$item = static fn (int $at): array => ['function' => 'echo', 'input' => ['name' => "Ada {$at}"]];
$exchange = new BatchExchange((int) $port, '/batch', pieces((int) $items, $item));
$right = 0;
foreach ($exchange->lines() as $line) {
    $result = json_decode($line, true);
    $right += (int) (($result['output']['hello'] ?? null) === "Ada {$result['index']}");
}
$elapsedMs = (hrtime(true) - $startedNs) / 1e6;
echo json_encode(['calls' => $right, 'failed' => (int) $items - $right, 'elapsedMs' => $elapsedMs]), "\n";
