<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * The rule that tells a leak from what is meant to stay. A call is compared with the one before it; a symbol leaks
 *
 * - when calls of one function gave it another value 3 times, with at most 3 of its comparisons from one to the next: not
 *   the first value, nor its taking away, nor one that it had before;
 * - when calls of one function made it longer 12 times, and it did not come back in between: a list of 64 members, a map of
 *   over 1,000 keys, a text of 64 KB;
 * - when they gave `$GLOBALS` new names 6 times.
 *
 * A function's first 2 calls do not count, and 20 of its comparisons without growth begin anew. So a memo, a lazy
 * service, a container and a cache that comes to its bound are none: keys that come and go are what a cache does, unless
 * it is small and most of them go at once. Nor are a token renewed now and then, a buffer that is written out, a switch
 * between few states; nor, inside of objects and arrays, whole numbers that grow, go down by one or begin at 0 again, very
 * large ones, those with fractions, and dates: counters, random states, clocks and measurements.
 */
final class Changes
{
    private const WARMUP = 2;
    private const CHANGES = 3;
    private const GROWTHS = 12;
    private const NAMES = 6;
    /** Below this a list may be a buffer or a ring. */
    private const LIST_MEMBERS = 64;
    private const MAP_KEYS = 1000;
    private const TEXT_BYTES = 65_536;
    /** Ids of users are smaller; states of generators and times are not. */
    private const LARGE_NUMBER = 1 << 24;
    /** A larger map that has other keys at once is a cache that was used a lot. */
    private const SMALL_KEYS = 32;
    private const QUIET = 20;
    /** What is renewed now and then changes more seldom than what each call sets. */
    private const QUIET_CHANGES = 3;
    /** Values of a symbol that are known again. */
    private const MAX_VALUES = 8;
    private const MAX_STRIKES = 2000;

    /** @var array<string, int> comparisons of each function's calls */
    private array $compared = [];
    /** @var array<string, array{int, int, int}> function and symbol → how often, the comparison it was last, its size then */
    private array $strikes = [];
    /** @var array<string, list<mixed>> function, symbol and member → its last values */
    private array $values = [];
    /** @var array<string, array{kind: string, name: string, detail: string, restored: bool}> */
    private array $found = [];

    private bool $waits = false;

    /** @param (\Closure(int): bool)|null $isRunning whether a call still waits or runs, where there are several at once */
    public function __construct(private readonly ?\Closure $isRunning)
    {
    }

    /** @param bool $waits others run while things are as this call has left them: what it changed is shared */
    public function begin(string $function, bool $waits): int
    {
        $this->found = [];
        $this->waits = $waits;

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
            $this->changed($function, $kind, $name(null), "array($was->count) → array($now->count), other keys", $this->areBothRunning($was, $now));

            return;
        }
        foreach ($common as $child => $to) {
            $from = $was->children[$child];
            if ($from !== $to && self::isOther($from, $to, !$isVariables)) {
                $at = $isArray && !$isVariables ? "['" . Leak::cut((string) $child) . "'] " : '';
                $symbol = $name($child);
                if (self::isAppended($from, $to)) {
                    $bytes = self::bytes($to);
                    if ($bytes >= self::TEXT_BYTES) {
                        $this->strike($function, $kind, $symbol, self::bytes($from) . " → $bytes bytes", self::GROWTHS, $bytes);
                    }
                    continue;
                }
                if (!$this->isNew("$function\0$symbol\0$at", $from, $to)) {
                    continue;
                }
                $detail = Leak::isSecret($symbol . $at) ? Leak::HIDDEN : $at . self::show($from) . ' → ' . self::show($to);
                $this->changed($function, $kind, $symbol, $detail, !is_int($to) && $this->areBothRunning($was, $now));
            }
        }
        if ($now->count > $was->count) {
            $type = $isArray ? 'array' : $now->type;
            if ($isVariables && $kind === 'global') {
                $newest = array_key_last(array_diff_key($now->children, $was->children));
                $told = $newest === null || Leak::isSecret((string) $newest) ? '' : ", the newest is '" . Leak::cut((string) $newest) . "'";
                $this->strike($function, $kind, '$GLOBALS', "$was->count → $now->count names$told", self::NAMES);
            } else {
                $this->strike($function, $kind, $name(null), "$type($was->count) → $type($now->count)", self::GROWTHS, $now->count, $now->isList ? self::LIST_MEMBERS : self::MAP_KEYS + 1);
            }
        }
    }

    /** For numbers of things: open streams, say. */
    public function grew(string $function, string $kind, string $name, int $from, int $to, int $times): void
    {
        $this->strike($function, $kind, $name, "$from → $to", $times, $to);
    }

    private function areBothRunning(Detail $was, Detail $now): bool
    {
        return $this->waits && $was->call !== $now->call && $this->isRunning !== null && ($this->isRunning)($was->call);
    }

    /** @param bool $isSure two calls gave it different values while both ran: half as often will do */
    private function changed(string $function, string $kind, string $name, string $detail, bool $isSure): void
    {
        if ($this->waits) {
            $kind = 'shared';
            $detail .= $isSure ? ': two calls set it while both ran' : ': others see it while this call waits';
        }
        $this->strike($function, $kind, $name, $detail, self::CHANGES, 0, 0, $isSure ? 2 : 1);
    }

    private static function isOther(mixed $from, mixed $to, bool $isInside): bool
    {
        foreach ([null, "''"] as $nothing) {
            if ($from === $nothing || $to === $nothing) {
                return false;
            }
        }
        if (is_string($from) && is_string($to) && self::isDate($from) && self::isDate($to)) {
            return false;
        }
        if (!$isInside || !(is_int($from) || is_float($from)) || !(is_int($to) || is_float($to))) {
            return true;
        }

        return is_int($from) && is_int($to) && $to < $from - 1 && $to !== 0 && $from < self::LARGE_NUMBER;
    }

    private static function isDate(string $text): bool
    {
        return preg_match('/^\'\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d[\d:.+Z -]*)?\'$/', $text) === 1;
    }

    /** A text that became longer at its end is a buffer. Long ones are known by their beginning, length and end. */
    private static function isAppended(mixed $from, mixed $to): bool
    {
        if (!is_string($from) || !is_string($to) || ($from[0] ?? '') !== "'" || ($to[0] ?? '') !== "'") {
            return false;
        }
        $end = strpos($from, "\0");

        return self::bytes($to) > self::bytes($from) && str_starts_with($to, $end === false ? substr($from, 0, -1) : substr($from, 0, $end));
    }

    private static function bytes(string $text): int
    {
        $end = strpos($text, "\0");

        return $end === false ? strlen($text) - 2 : (int) substr($text, $end + 1);
    }

    /** Not one of its last values: a switch, a circuit breaker, a memo of what was used last. */
    private function isNew(string $key, mixed $from, mixed $to): bool
    {
        if (!isset($this->values[$key]) && count($this->values) >= self::MAX_STRIKES) {
            unset($this->values[array_key_first($this->values)]);
        }
        $values = $this->values[$key] ?? [];
        if (!in_array($from, $values, true)) {
            $values[] = $from;
        }
        $isNew = !in_array($to, $values, true);
        if ($isNew) {
            $values[] = $to;
        }
        $this->values[$key] = array_slice($values, -self::MAX_VALUES);

        return $isNew;
    }

    private static function show(mixed $value): string
    {
        if (!is_string($value)) {
            return Leak::show($value);
        }
        $end = strpos($value, "\0");

        return Leak::cut($end === false ? $value : substr($value, 0, $end) . "…'");
    }

    /**
     * @param int $size of what grows: it begins anew when it has come back
     * @param int $from it is not told before it has this size
     * @param int $weight how many of $enough it counts for
     */
    private function strike(string $function, string $kind, string $name, string $detail, int $enough, int $size = 0, int $from = 0, int $weight = 1): void
    {
        $compared = $this->compared[$function] ?? 0;
        if ($compared <= self::WARMUP) {
            return;
        }
        $key = "$function\0$name\0$enough";
        [$times, $last, $before] = $this->strikes[$key] ?? [0, $compared, 0];
        if ($last === $compared && $times > 0) {
            // Two children of one symbol.
            return;
        }
        if ($compared - $last > ($enough === self::CHANGES && $size === 0 ? self::QUIET_CHANGES : self::QUIET) || $size < $before) {
            $times = 0;
        }
        if ($times === 0 && count($this->strikes) >= self::MAX_STRIKES) {
            unset($this->strikes[array_key_first($this->strikes)]);
        }
        $this->strikes[$key] = [$times += $weight, $compared, $size];
        if ($times >= $enough && $size >= $from) {
            $this->found[$name] = Leak::of($kind, $name, $detail, false);
        }
    }
}
