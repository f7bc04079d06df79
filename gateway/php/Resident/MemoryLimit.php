<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** php.ini's memory_limit. */
final class MemoryLimit
{
    /** PHP_INT_MAX where there is none. */
    public static function bytes(): int
    {
        $setting = trim((string) ini_get('memory_limit'));
        $unit = ['k' => 10, 'm' => 20, 'g' => 30][strtolower(substr($setting, -1))] ?? 0;

        return (int) $setting > 0 ? (int) $setting << $unit : PHP_INT_MAX;
    }
}
