<?php

declare(strict_types=1);

/**
 * What the sentinel costs on this machine: `php -d opcache.enable_cli=1 test/sentinel/cost.php`. The least of many short
 * blocks, by turns, so that neighbours and the clock of the processor matter little.
 */

namespace FpmGateway\Resident\Leaks;

require __DIR__ . '/../../gateway/php/autoload.php';

/** @param array<string, \Closure(): void> $variants the first is what the others are compared with */
$measure = static function (array $variants, int $calls, int $rounds): void {
    $leastNs = array_fill_keys(array_keys($variants), PHP_INT_MAX);
    for ($round = 0; $round < $rounds; ++$round) {
        foreach ($variants as $name => $call) {
            $startedNs = hrtime(true);
            for ($at = 0; $at < $calls; ++$at) {
                $call();
            }
            $leastNs[$name] = min($leastNs[$name], intdiv(hrtime(true) - $startedNs, $calls));
        }
    }
    $base = reset($leastNs);
    foreach ($leastNs as $name => $ns) {
        printf("%-28s %8.2f µs  +%.2f µs\n", $name, $ns / 1000, ($ns - $base) / 1000);
    }
};

(static function () use ($measure): void {
    $process = new ProcessState();
    $random = new FreshRandom();
    $memory = new MemoryTrend();
    $comparison = new Comparison(new Symbols(null, []), new Settings(), $memory, 0, false);
    $never = new \ReflectionProperty($comparison, 'waitNs');
    $never->setValue($comparison, PHP_INT_MAX);
    $all = static function () use ($process, $random, $memory, $comparison): void {
        $startedNs = hrtime(true);
        $process->putBack();
        $random->afterCall();
        $memory->afterCall('echo');
        $comparison->afterCall('echo', $startedNs);
    };
    $sentinel = new \FpmGateway\Resident\Sentinel(['first' => 0, 'dense' => false]);
    $sentinel->begin(null, []);
    $interleaving = $sentinel->interleave();
    $aside = new Aside('echo', 1);
    $sets = new Aside('echo', 2);
    echo "After every call, by itself:\n";
    $measure([
        'nothing' => static function (): void {
        },
        'all' => $all,
        'process' => static function () use ($process): void {
            $process->putBack();
        },
        'random, unused' => $random->afterCall(...),
        'random, used' => static function () use ($random): void {
            mt_rand();
            $random->afterCall();
        },
        'memory' => static function () use ($memory): void {
            $memory->afterCall('echo');
        },
        'getcwd()' => static function (): void {
            \getcwd();
        },
        'umask()' => static function (): void {
            \umask();
        },
    ], 300, 1500);

    echo "\nAround each slice of a call, of several at once:\n";
    $written = tmpfile() ?: throw new \RuntimeException('no files');
    stream_set_read_buffer($written, 0);
    $measure([
        'nothing' => static function (): void {
        },
        'a slice' => static function () use ($interleaving, $aside): void {
            $interleaving->resumed($aside);
            $interleaving->suspended($aside);
        },
        'whether buffers are open' => \FpmGateway\Resident\Printed::isHeld(...),
        'what was written past PHP' => static function () use ($written): void {
            fread($written, 1024);
        },
        'a slice with a time zone' => static function () use ($interleaving, $sets): void {
            $interleaving->resumed($sets);
            date_default_timezone_set('Asia/Tokyo');
            $interleaving->suspended($sets);
        },
    ], 300, 1500);

    echo "\nAfter what an empty call does (reads, decodes, encodes, writes):\n";
    [$gateway, $worker] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0) ?: throw new \RuntimeException('no sockets');
    $call = static function () use ($gateway, $worker): void {
        fwrite($gateway, str_repeat(' ', 400) . '{"name":"Ada"}');
        fwrite($worker, (string) json_encode(json_decode((string) fread($worker, 8192), true)));
        fread($gateway, 8192);
        getrusage();
    };
    $measure(['the call' => $call, 'with the sentinel' => static function () use ($call, $all): void {
        $call();
        $all();
    }], 20, 3000);

    echo "\nA look at this script's values:\n";
    $settings = new Settings();
    $look = new \ReflectionMethod($comparison, 'look');
    $measure(['settings' => $settings->putBack(...), 'all' => static function () use ($look, $comparison): void {
        $look->invoke($comparison, 'echo');
    }], 5, 500);
})();
