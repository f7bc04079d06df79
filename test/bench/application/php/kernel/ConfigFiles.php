<?php

declare(strict_types=1);

namespace App\Kernel;

/** Scans folders for .php, .json and .ini files, merges them in the order of their names, resolves `%other.path%`. */
final class ConfigFiles
{
    /** @param list<string> $folders later ones win */
    public static function read(array $folders): Config
    {
        $values = [];
        foreach ($folders as $folder) {
            foreach (self::filesIn($folder) as $file) {
                $values = array_replace_recursive($values, self::load($file));
            }
        }

        return new Config(self::resolve($values, new Config($values)));
    }

    /** @return list<string> */
    private static function filesIn(string $folder): array
    {
        $files = [];
        foreach (scandir($folder) ?: [] as $name) {
            if (preg_match('/\.(php|json|ini)$/', $name)) {
                $files[] = "$folder/$name";
            }
        }

        return $files;
    }

    /** @return array<string, mixed> */
    private static function load(string $file): array
    {
        $values = match (pathinfo($file, PATHINFO_EXTENSION)) {
            'php' => require $file,
            'json' => json_decode((string) file_get_contents($file), true, 32, JSON_THROW_ON_ERROR),
            'ini' => parse_ini_file($file, true, INI_SCANNER_TYPED),
        };

        return is_array($values) ? $values : throw new \UnexpectedValueException("{$file} holds no settings");
    }

    /**
     * @param array<string, mixed> $values
     *
     * @return array<string, mixed>
     */
    private static function resolve(array $values, Config $raw): array
    {
        foreach ($values as $key => $value) {
            if (is_array($value)) {
                $values[$key] = self::resolve($value, $raw);
            } elseif (is_string($value) && str_contains($value, '%')) {
                $values[$key] = preg_replace_callback('/%([a-z0-9_.]+)%/', static fn ($found) => (string) $raw->get($found[1]), $value);
            }
        }

        return $values;
    }

    /**
     * Throws what is wrong with a section.
     *
     * @param array<string, string> $types
     */
    public static function validate(Config $config, string $section, array $types): void
    {
        $values = $config->get($section);
        foreach ($types as $key => $type) {
            $is = is_array($values) && array_key_exists($key, $values) ? get_debug_type($values[$key]) : 'missing';
            if ($is !== $type) {
                throw new \UnexpectedValueException("{$section}.{$key} is {$is}: it must be {$type}");
            }
        }
        foreach (array_diff_key($values, $types) as $key => $_) {
            throw new \UnexpectedValueException("{$section}.{$key} is no setting of this module");
        }
    }
}
