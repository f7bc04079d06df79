<?php

/**
 * So many items in one batch, by the gateway's PHP client.
 *
 * usage: php batch-library.php AUTOLOAD PORT ITEMS
 */

declare(strict_types=1);

use FpmGateway\Client\Client;

[, $autoload, $port, $items] = $argv;
require $autoload;

$startedNs = hrtime(true);
$inputs = (static function () use ($items): Generator {
    for ($at = 0; $at < (int) $items; ++$at) {
        yield $at => ['name' => "Ada {$at}"];
    }
})();
$right = 0;
foreach (Client::connect("http://127.0.0.1:{$port}")->batch($inputs, function: 'echo') as $at => $result) {
    $right += (int) ($result->failure === null && $result->get() === ['hello' => "Ada {$at}"]);
}
$elapsedMs = (hrtime(true) - $startedNs) / 1e6;
echo json_encode(['calls' => $right, 'failed' => (int) $items - $right, 'elapsedMs' => $elapsedMs]), "\n";
