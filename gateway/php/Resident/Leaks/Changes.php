<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * The rule that tells a leak from what is meant to stay. A call is compared with the one before it; a symbol leaks
 *
 * - when calls of one function gave it another value 3 times: not the first value, nor its taking away;
 * - when calls of one function made it longer 12 times, if it is a list; a map only when it has over 1,000 keys by then.
 *
 * A function's first 2 calls do not count, and 20 of its comparisons without a change begin anew. So a memo, a lazy
 * service, a container and a cache that comes to its bound are none: keys that come and go are what a cache does, unless
 * it is small and most of them go at once. Nor are, inside of objects and arrays, whole numbers that only grow and
 * those with fractions: counters, clocks and measurements.
 */
final class Changes
{
    private const WARMUP = 2;
    private const CHANGES = 3;
    private const GROWTHS = 12;
    private const MAP_KEYS = 1000;
    /** A larger map that has other keys at once is a cache that was used a lot. */
    private const SMALL_KEYS = 32;
    private const QUIET = 20;
    private const MAX_STRIKES = 2000;

    /** @var array<string, int> comparisons of each function's calls */
    private array $compared = [];
    /** @var array<string, array{int, int}> function and symbol → how often, and the comparison it was last */
    private array $strikes = [];
    /** @var array<string, array{kind: string, name: string, detail: string, restored: bool}> */
    private array $found = [];

    public function begin(string $function): int
    {
        $this->found = [];

        return $this->compared[$function] = ($this->compared[$function] ?? 0) + 1;
    }

    public function compared(string $function): int
    {
        return $this->compared[$function] ?? 0;
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    public function take(): array
    {
        $found = array_values($this->found);
        $this->found = [];

        return $found;
    }

    /**
     * @param bool                              $isVariables the children are variables or static properties, not members of something
     * @param \Closure(string|int|null): string $name        of a child, or of the array or object itself
     */
    public function judge(string $function, string $kind, Detail $was, Detail $now, bool $isVariables, \Closure $name): void
    {
        $isArray = $now->type === 'array';
        $common = array_intersect_key($now->children, $was->children);
        $wasSmall = $was->count > 0 && $was->count <= self::SMALL_KEYS;
        if ($isArray && !$isVariables && $wasSmall && !$now->isList && $now->count > 0 && count($common) * 2 < $was->count) {
            $this->strike($function, $kind, $name(null), "array($was->count) → array($now->count), other keys", self::CHANGES);

            return;
        }
        foreach ($common as $child => $to) {
            $from = $was->children[$child];
            if ($from !== $to && self::isOther($from, $to, !$isVariables)) {
                $at = $isArray && !$isVariables ? "['" . Leak::cut((string) $child) . "'] " : '';
                $symbol = $name($child);
                $detail = Leak::isSecret($symbol . $at) ? Leak::HIDDEN : $at . self::show($from) . ' → ' . self::show($to);
                $this->strike($function, $kind, $symbol, $detail, self::CHANGES);
            }
        }
        if ($now->count > $was->count && ($now->isList || $now->count > self::MAP_KEYS)) {
            $type = $isArray ? 'array' : $now->type;
            $this->strike($function, $kind, $name(null), "$type($was->count) → $type($now->count)", self::GROWTHS);
        }
    }

    /** For numbers of things: open streams, say. */
    public function grew(string $function, string $kind, string $name, int $from, int $to, int $times): void
    {
        $this->strike($function, $kind, $name, "$from → $to", $times);
    }

    private static function isOther(mixed $from, mixed $to, bool $isInside): bool
    {
        foreach ([null, "''"] as $nothing) {
            if ($from === $nothing || $to === $nothing) {
                return false;
            }
        }
        if (!$isInside || !(is_int($from) || is_float($from)) || !(is_int($to) || is_float($to))) {
            return true;
        }

        return is_int($from) && is_int($to) && $to < $from;
    }

    private static function show(mixed $value): string
    {
        if (!is_string($value)) {
            return Leak::show($value);
        }
        $end = strpos($value, "\0");

        return Leak::cut($end === false ? $value : substr($value, 0, $end) . "…'");
    }

    private function strike(string $function, string $kind, string $name, string $detail, int $enough): void
    {
        $compared = $this->compared[$function] ?? 0;
        if ($compared <= self::WARMUP) {
            return;
        }
        $key = "$function\0$name\0$enough";
        [$times, $last] = $this->strikes[$key] ?? [0, $compared];
        if ($last === $compared && $times > 0) {
            // Two children of one symbol.
            return;
        }
        if ($compared - $last > self::QUIET) {
            $times = 0;
        }
        if ($times === 0 && count($this->strikes) >= self::MAX_STRIKES) {
            unset($this->strikes[array_key_first($this->strikes)]);
        }
        $this->strikes[$key] = [++$times, $compared];
        if ($times >= $enough) {
            $this->found[$name] = Leak::of($kind, $name, $detail, false);
        }
    }
}
