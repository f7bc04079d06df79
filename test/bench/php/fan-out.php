<?php

/**
 * Many calls at once with the gateway's PHP client: from here, or from inside of a function.
 *
 * usage: php fan-out.php AUTOLOAD PORT here|inside CALLS US
 */

declare(strict_types=1);

use FpmGateway\Client\Client;

[, $autoload, $port, $where, $calls, $us] = $argv;
require $autoload;

$client = Client::connect("http://127.0.0.1:{$port}");

/** @return array{elapsedMs: float, failed: int} */
$fanOut = static function (int $calls, int $us) use ($client): array {
    $startedNs = hrtime(true);
    $pending = [];
    for ($at = 0; $at < $calls; ++$at) {
        $pending[] = $client->send('sleep-5ms', ['us' => $us]);
    }
    $failed = 0;
    foreach ($client->each($pending) as $result) {
        $failed += (int) ($result->failure !== null);
    }

    return ['elapsedMs' => (hrtime(true) - $startedNs) / 1e6, 'failed' => $failed];
};

$run = $where === 'here'
    ? $fanOut
    : static fn (int $calls, int $us): array => $client->invoke('fan-out', ['calls' => $calls, 'us' => $us]);
// Loads the classes on both sides. As long as the others: the gateway goes by how long a function took.
$run(4, (int) $us);
echo json_encode($run((int) $calls, (int) $us)), "\n";
