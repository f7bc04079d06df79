<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * Static variables, without running the application's code for it: before PHP 8.3, reflection gives them their first
 * values where nobody has called the function yet, and `static $client = new Client()` is a constructor.
 */
final class Statics
{
    /** @var array<string, list<int>|null> file → lines with such a static; null: it cannot be read */
    private static array $lines = [];

    /** @return array<mixed> none where they cannot be had in silence */
    public static function of(\ReflectionFunctionAbstract $function): array
    {
        return PHP_VERSION_ID >= 80300 || self::isSafe($function) ? $function->getStaticVariables() : [];
    }

    private static function isSafe(\ReflectionFunctionAbstract $function): bool
    {
        $file = $function->getFileName();
        if ($file === false) {
            return true;
        }
        $lines = array_key_exists($file, self::$lines) ? self::$lines[$file] : self::$lines[$file] = self::linesOf($file);
        if ($lines === null) {
            return false;
        }
        foreach ($lines as $line) {
            if ($line >= $function->getStartLine() && $line <= $function->getEndLine()) {
                return false;
            }
        }

        return true;
    }

    /** @return list<int>|null */
    private static function linesOf(string $file): ?array
    {
        // Code from eval() has no file.
        $code = is_file($file) ? @file_get_contents($file) : false;
        if ($code === false) {
            return null;
        }
        $lines = [];
        // One in a comment or a string costs no more than a look at that function.
        preg_match_all('~\bstatic(?:\s|/\*.*?\*/|(?://|#)[^\n]*\n)*\$\w+\s*(?:,|=)(?:\'[^\']*\'|"[^"]*"|[^;\'"])*?\bnew\b~is', $code, $found, PREG_OFFSET_CAPTURE);
        if (preg_last_error() !== PREG_NO_ERROR) {
            return null;
        }
        foreach ($found[0] as [, $at]) {
            $lines[] = 1 + substr_count($code, "\n", 0, $at);
        }

        return $lines;
    }
}
