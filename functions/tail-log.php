<?php

declare(strict_types=1);

use FpmGateway\Call;
use FpmGateway\Failure;

$maxLineBytes = 4_000;
$maxReadBytes = 262_144;
$pollUs = 50_000;
// Ending by itself tells the reader that the log goes on; being stopped would look like a failure.
$endMs = 250.0;

/** @param array{name: string, lines: int, follow: bool} $input */
return static function (array $input, Call $call) use ($maxLineBytes, $maxReadBytes, $pollUs, $endMs): Generator {
    $folder = realpath((string) getenv('LOG_DIR'));
    $path = realpath("$folder/{$input['name']}");
    // The contract lets no slash into a name; nor may a link in the folder lead out of it.
    if ($folder === false || $path === false || dirname($path) !== $folder || !is_file($path) || !is_readable($path)) {
        throw new Failure('no-such-log', ['name' => $input['name']], "There is no log {$input['name']} that can be read.");
    }

    $rest = '';
    /** Whole lines of what came; the last one waits for its end, and no longer than it may be. */
    $split = static function (string $bytes) use (&$rest, $maxLineBytes): array {
        $lines = explode("\n", $rest . $bytes);
        $rest = substr((string) array_pop($lines), 0, $maxLineBytes);

        return $lines;
    };
    $item = static fn (string $line): array => [
        'line' => mb_scrub(mb_strcut(rtrim($line, "\r"), 0, $maxLineBytes)),
        'at' => (new DateTimeImmutable('now', new DateTimeZone('UTC')))->format('Y-m-d\TH:i:s.v\Z'),
    ];

    $file = fopen($path, 'rb');
    ['size' => $size, 'ino' => $inode] = fstat($file);
    // However large the log is, only its end is read.
    $offset = max(0, $size - $maxReadBytes);
    $lines = $split((string) stream_get_contents($file, $size - $offset, $offset));
    if ($offset > 0) {
        array_shift($lines);
    }
    foreach ($input['lines'] === 0 ? [] : array_slice($lines, -$input['lines']) as $line) {
        yield $item($line);
    }
    $offset = $size;

    while ($input['follow'] && $call->remainingMs() > $endMs) {
        // fread() looks again behind the end it has met; stream_get_contents() does not.
        $bytes = (string) fread($file, $maxReadBytes);
        $offset += strlen($bytes);
        foreach ($split($bytes) as $line) {
            yield $item($line);
        }
        if ($bytes !== '') {
            continue;
        }
        clearstatcache();
        $now = @stat($path);
        if ($now !== false && ($now['ino'] !== $inode || $now['size'] < $offset)) {
            // Rotated, or emptied: what is at its place now begins anew.
            $file = fopen($path, 'rb');
            [$offset, $inode, $rest] = [0, $now['ino'], ''];
            continue;
        }
        usleep($pollUs);
    }
};
