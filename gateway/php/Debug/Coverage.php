<?php

declare(strict_types=1);

namespace FpmGateway\Debug;

/**
 * Which lines of which files ran, by Xdebug or PCOV, call after call: `{"<file>": {"hash": "…", "lines": {"12": 3}}}`,
 * where 3 calls ran line 12 and 0 of them means that none did. One file for each process, so that nobody waits for a
 * lock; the gateway adds them up.
 */
final class Coverage
{
    public static function start(): void
    {
        if (extension_loaded('pcov')) {
            \pcov\clear();
            \pcov\start();
        } else {
            \xdebug_start_code_coverage(XDEBUG_CC_UNUSED | XDEBUG_CC_DEAD_CODE);
        }
    }

    public static function stop(): void
    {
        if (extension_loaded('pcov')) {
            \pcov\stop();
            $files = \pcov\collect(\pcov\all);
            \pcov\clear();
        } else {
            $files = \xdebug_get_code_coverage();
            \xdebug_stop_code_coverage(true);
        }
        $file = get_cfg_var('fpmg.debug_folder') . '/' . getmypid() . '.json';
        $sum = json_decode((string) @file_get_contents($file), true) ?? [];
        foreach ($files as $path => $lines) {
            // Code of eval() has no file.
            if (is_file($path) && !str_starts_with($path, __DIR__) && !str_contains($path, '/vendor/')) {
                $sum[$path] = self::add($sum[$path] ?? [], $lines, (string) hash_file('sha256', $path));
            }
        }
        $text = json_encode($sum, JSON_FORCE_OBJECT | JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES);
        // Whoever reads it meanwhile reads all of one version.
        if (@file_put_contents("$file.new", $text) !== false) {
            rename("$file.new", $file);
        }
    }

    /**
     * @param array{hash?: string, lines?: array<int, int>} $before
     * @param array<int, int>                               $lines of one call; above 0: ran, -1: did not, -2: never can
     *
     * @return array{hash: string, lines: array<int, int>}
     */
    private static function add(array $before, array $lines, string $hash): array
    {
        // Of another version of the file its lines say nothing.
        $sum = ($before['hash'] ?? '') === $hash ? $before['lines'] ?? [] : [];
        foreach ($lines as $line => $ran) {
            if ($ran !== -2) {
                $sum[$line] = ($sum[$line] ?? 0) + ($ran > 0 ? 1 : 0);
            }
        }

        return ['hash' => $hash, 'lines' => $sum];
    }
}
