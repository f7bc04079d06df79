<?php

declare(strict_types=1);

namespace FpmGateway\Cache;

/**
 * Values as bytes: a letter for the type, then the value. Exact: floats keep every bit, strings every byte, integers are
 * 64 bits wide. Arrays are PHP's own `serialize`, which is the fastest that PHP has; no object is ever written or read.
 *
 * @internal
 */
final class Values
{
    private const DEPTH_MAX = 64;

    /** @throws \TypeError that says where in the value something is that cannot be cached */
    public static function encode(mixed $value): string
    {
        if (\is_string($value)) {
            return "s$value";
        }
        if (\is_int($value)) {
            return 'i' . pack('P', $value);
        }
        if (\is_array($value)) {
            return 'a' . self::serialize($value);
        }
        if (\is_float($value)) {
            return 'd' . pack('e', $value);
        }
        if ($value === null) {
            return 'n';
        }
        if (\is_bool($value)) {
            return $value ? 't' : 'f';
        }
        throw self::refused($value, '$value');
    }

    /**
     * @param int $at where the value begins
     *
     * @throws \UnexpectedValueException for bytes that are no value
     */
    public static function decode(string $bytes, int $at): mixed
    {
        switch ($bytes[$at] ?? '') {
            case 's':
                return substr($bytes, $at + 1);
            case 'i':
                return unpack('P', $bytes, $at + 1)[1];
            case 'a':
                $array = unserialize(substr($bytes, $at + 1), ['allowed_classes' => false]);
                if (\is_array($array)) {
                    return $array;
                }
                break;
            case 'd':
                return unpack('e', $bytes, $at + 1)[1];
            case 'n':
                return null;
            case 't':
                return true;
            case 'f':
                return false;
        }
        throw new \UnexpectedValueException('What the cache holds under this key was not written by this class.');
    }

    /** @param array<mixed> $array */
    private static function serialize(array $array): string
    {
        $hasFloats = false;
        self::check($array, '$value', 1, $hasFloats);
        if (!$hasFloats || ini_get('serialize_precision') === '-1') {
            return serialize($array);
        }
        // A lower precision than PHP's own default would round.
        $before = (string) ini_set('serialize_precision', '-1');
        try {
            return serialize($array);
        } finally {
            ini_set('serialize_precision', $before);
        }
    }

    /** @param array<mixed> $array */
    private static function check(array $array, string $where, int $depth, bool &$hasFloats): void
    {
        if ($depth > self::DEPTH_MAX) {
            throw new \TypeError(sprintf('Arrays in the cache are nested at most %d deep; %s… is deeper, or contains itself.', self::DEPTH_MAX, substr($where, 0, 100)));
        }
        foreach ($array as $key => $value) {
            if (\is_string($value) || \is_int($value) || $value === null || \is_bool($value)) {
                continue;
            }
            if (\is_array($value)) {
                self::check($value, $where . '[' . (\is_int($key) ? $key : "'$key'") . ']', $depth + 1, $hasFloats);
            } elseif (\is_float($value)) {
                $hasFloats = true;
            } else {
                throw self::refused($value, $where . '[' . (\is_int($key) ? $key : "'$key'") . ']');
            }
        }
    }

    private static function refused(mixed $value, string $where): \TypeError
    {
        return new \TypeError(sprintf(
            '%s is %s: the cache takes null, bool, int, float, string and arrays of them. Make an array or a string of it.',
            $where,
            \is_object($value) ? 'an object (' . get_debug_type($value) . ')' : 'a ' . get_debug_type($value),
        ));
    }
}
