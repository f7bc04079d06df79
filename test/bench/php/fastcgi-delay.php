<?php

/**
 * As batch-delay.php, without a gateway: so many requests always in flight, each on a connection of its own.
 *
 * usage: php fastcgi-delay.php SOCKET SCRIPT ITEMS IN_FLIGHT MAX_US
 */

declare(strict_types=1);

require __DIR__ . '/fastcgi-wave.php';

[, $path, $script, $items, $inFlight, $maxUs] = $argv;
mt_srand(1);
$left = (int) $items;
$pending = [];
$came = [];
while ($left > 0 || $pending !== []) {
    for (; $left > 0 && count($pending) < (int) $inFlight; --$left) {
        $call = new PendingCall($path, request($script, json_encode(['us' => mt_rand(1_000, (int) $maxUs)])));
        $pending[(int) $call->socket] = $call;
    }
    $readable = array_map(static fn (PendingCall $call) => $call->socket, $pending);
    $none = null;
    if (stream_select($readable, $none, $none, 60) < 1) {
        break;
    }
    foreach ($readable as $socket) {
        $call = $pending[(int) $socket];
        if ($call->read()) {
            $came[] = [microtime(true), $call->end()];
            unset($pending[(int) $socket]);
        }
    }
}
$delaysMs = [];
foreach ($came as [$atS, $output]) {
    $body = substr($output, (int) strpos($output, "\r\n\r\n") + 4);
    $finishedS = json_decode($body, true)['finishedS'] ?? null;
    if ($finishedS !== null) {
        $delaysMs[] = round(($atS - $finishedS) * 1000, 3);
    }
}
echo json_encode(['delaysMs' => $delaysMs, 'failed' => (int) $items - count($delaysMs)]), "\n";
