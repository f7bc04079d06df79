<?php

declare(strict_types=1);

namespace App\Kernel;

/** Texts by language and key. A language that lacks one is told at the start. */
final class Translations
{
    /** @var array<string, array<string, string>> language => key => text */
    private array $texts = [];

    /** @param list<string> $folders with en.json, de.json, … */
    public function __construct(array $folders)
    {
        foreach ($folders as $folder) {
            foreach (glob("$folder/*.json") ?: [] as $file) {
                $texts = json_decode((string) file_get_contents($file), true, 8, JSON_THROW_ON_ERROR);
                $language = basename($file, '.json');
                $this->texts[$language] = self::flat($texts, '') + ($this->texts[$language] ?? []);
            }
        }
        foreach ($this->texts as $language => $texts) {
            foreach ($this->texts as $other => $others) {
                foreach (array_diff_key($others, $texts) as $key => $_) {
                    throw new \UnexpectedValueException("{$language} has no text for {$key}, which {$other} has");
                }
            }
        }
    }

    /**
     * @param array<string, mixed> $texts
     *
     * @return array<string, string>
     */
    private static function flat(array $texts, string $prefix): array
    {
        $flat = [];
        foreach ($texts as $key => $text) {
            if (is_array($text)) {
                $flat += self::flat($text, "$prefix$key.");
            } else {
                $flat[$prefix . $key] = $text;
            }
        }

        return $flat;
    }

    /** @param array<string, string|int> $values for `{name}` */
    public function text(string $language, string $key, array $values): string
    {
        $text = $this->texts[$language][$key] ?? throw new \OutOfBoundsException("{$language} has no text for {$key}");
        $replace = [];
        foreach ($values as $name => $value) {
            $replace["{{$name}}"] = (string) $value;
        }

        return strtr($text, $replace);
    }
}
