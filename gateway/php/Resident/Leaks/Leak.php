<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/** What a leak looks like to the gateway, and how values are told in it. */
final class Leak
{
    /** So little of a value is told: it may be a secret. */
    private const MAX_BYTES = 60;
    public const HIDDEN = 'changed; by its name it may be secret, so its values are not told';

    /** @return array{kind: string, name: string, detail: string, restored: bool} */
    public static function of(string $kind, string $name, string $detail, bool $restored): array
    {
        return ['kind' => $kind, 'name' => $name, 'detail' => $detail, 'restored' => $restored];
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool} */
    public static function change(string $kind, string $name, mixed $from, mixed $to, bool $restored): array
    {
        return self::of($kind, $name, self::isSecret($name) ? self::HIDDEN : self::show($from) . ' → ' . self::show($to), $restored);
    }

    /** By what something is called: its values go to logs and traces. */
    public static function isSecret(string $name): bool
    {
        return preg_match('/pass(?!port)|pwd|secret|token|credential|api_?key|private|auth(?!or)/i', $name) === 1;
    }

    public static function show(mixed $value): string
    {
        return match (true) {
            is_string($value) => "'" . self::cut($value) . "'",
            is_array($value) => 'array(' . count($value) . ')',
            $value instanceof \Closure => self::closure($value),
            is_object($value) => 'object(' . self::cut($value::class) . ')',
            is_resource($value) => 'resource',
            is_float($value) => (string) $value,
            default => strtolower(var_export($value, true)),
        };
    }

    /** As set_error_handler() takes it. */
    public static function showCallable(mixed $callable): string
    {
        return match (true) {
            $callable === null => 'none',
            is_string($callable) => self::cut($callable) . '()',
            is_array($callable) => self::cut((is_object($callable[0]) ? $callable[0]::class : (string) $callable[0]) . '::' . $callable[1]) . '()',
            default => self::show($callable),
        };
    }

    /** Control characters would break lines of logs. */
    public static function cut(string $text): string
    {
        $short = strlen($text) > self::MAX_BYTES ? substr($text, 0, self::MAX_BYTES - 3) . '…' : $text;

        return (string) preg_replace('/[\x00-\x1f\x7f]/', '?', $short);
    }

    public static function closure(\Closure $closure): string
    {
        return 'closure in ' . self::place(new \ReflectionFunction($closure));
    }

    /** `functions/echo.php:12`, below the project's folder, where the worker runs. */
    public static function place(\ReflectionFunctionAbstract $function): string
    {
        $file = $function->getFileName();
        if ($file === false) {
            return $function->getName() . '()';
        }
        $root = getcwd() . '/';

        return (str_starts_with($file, $root) ? substr($file, strlen($root)) : $file) . ':' . $function->getStartLine();
    }
}
