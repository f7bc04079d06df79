<?php

declare(strict_types=1);

namespace FpmGateway;

/** What the gateway must know of this worker before it sends the first call. */
final class Facts
{
    /** @return array<string, mixed> */
    public static function all(): array
    {
        $opcache = function_exists('opcache_get_status') && (bool) ini_get('opcache.enable');

        return [
            'phpVersion' => PHP_VERSION,
            'opcache' => $opcache,
            // Equal to the gateway's own: same machine and pid namespace, so a kill by pid hits this worker.
            'pidNamespace' => self::namespaceId(),
            'limits' => [
                'postMaxBytes' => self::iniBytes('post_max_size'),
                'uploadMaxBytes' => self::iniBytes('upload_max_filesize'),
                'uploadsMax' => (bool) ini_get('file_uploads') ? (int) ini_get('max_file_uploads') : 0,
                'inputVarsMax' => (int) ini_get('max_input_vars'),
                'maxExecutionSeconds' => (int) ini_get('max_execution_time'),
            ],
        ];
    }

    /** `8M` → 8388608; 0 for no limit. */
    private static function iniBytes(string $setting): int
    {
        $text = trim((string) ini_get($setting));
        $factor = ['k' => 1024, 'm' => 1024 ** 2, 'g' => 1024 ** 3][strtolower(substr($text, -1))] ?? 1;

        return max(0, (int) $text * $factor);
    }

    private static function namespaceId(): string
    {
        $boot = @file_get_contents('/proc/sys/kernel/random/boot_id');
        $link = @readlink('/proc/self/ns/pid');

        return is_string($boot) && is_string($link) ? trim($boot) . '/' . $link : '';
    }
}
