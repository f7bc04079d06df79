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
        $detail = match (true) {
            // Nearly all of what an environment holds for an application are secrets: DATABASE_URL, STRIPE_KEY.
            $kind === 'env' => $from === null ? 'set' : ($to === null ? 'taken away' : 'changed'),
            self::isSecret($name) => self::HIDDEN,
            default => self::show($from) . ' → ' . self::show($to),
        };

        return self::of($kind, $name, $detail, $restored);
    }

    /** By what something is called: its values go to logs and traces. */
    public static function isSecret(string $name): bool
    {
        return preg_match('/pass(?!port)|pwd|secret|token|bearer|credential|(?<!mon|tur)key|private|auth(?!or(?!i))|dsn|url|jwt|cookie|salt|sign/i', $name) === 1
            // A service called session holds more than its id.
            || preg_match('/sess(?:ion|id)?[^\]>]*(?:\'\]\s*)?$/i', $name) === 1;
    }

    /** Addresses of servers may hold a user and a password, whatever they are called: `mysql://shop:hunter2@db`. */
    private static function withoutLogins(string $text): string
    {
        // The second of one that was cut in its middle.
        return preg_replace(['~://[^\s@]*@~', '~://[^\s:@/]*:(?!\d+[/?#])[^\s@]*$~'], ['://…@', '://…'], $text) ?? self::HIDDEN;
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
        // A long one is not looked through: what is cut off is not told.
        $short = self::withoutLogins(strlen($text) > 4 * self::MAX_BYTES ? substr($text, 0, 4 * self::MAX_BYTES) : $text);
        if (strlen($short) > self::MAX_BYTES) {
            $short = substr($short, 0, self::MAX_BYTES - 3) . '…';
        }

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
