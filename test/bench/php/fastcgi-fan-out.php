<?php

/**
 * As fan-out.php, without a gateway: each call is a FastCGI request on a connection of its own, all at once.
 *
 * usage: php fastcgi-fan-out.php SOCKET SCRIPT CALLS US
 */

declare(strict_types=1);

require __DIR__ . '/fastcgi-wave.php';

[, $path, $script, $calls, $us] = $argv;
$startedNs = hrtime(true);
$pending = [];
for ($at = 0; $at < (int) $calls; ++$at) {
    $call = new PendingCall($path, request($script, json_encode(['us' => (int) $us])));
    $pending[(int) $call->socket] = $call;
}
$right = 0;
while ($pending !== []) {
    $readable = array_map(static fn (PendingCall $call) => $call->socket, $pending);
    $none = null;
    if (stream_select($readable, $none, $none, 60) < 1) {
        break;
    }
    foreach ($readable as $socket) {
        $call = $pending[(int) $socket];
        if ($call->read()) {
            $right += (int) str_ends_with($call->end(), json_encode(['sleptUs' => (int) $us]));
            unset($pending[(int) $socket]);
        }
    }
}
echo json_encode(['elapsedMs' => (hrtime(true) - $startedNs) / 1e6, 'failed' => (int) $calls - $right]), "\n";
