<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * Goes through all values that outlive a call, bounded in depth, number and time, and finds arrays and objects whose
 * own content is not what it was. It never runs the application's code: no magic methods, no hooks, no autoloading, no
 * initialisation of lazy objects.
 *
 * Each array and object is a unit with a print of its direct children: 12 bytes are kept for it. Only those that have
 * changed once are kept in detail, to tell what changes the next time.
 */
final class Walk
{
    private const MAX_UNITS = 10_000;
    private const MAX_CHILDREN = 128;
    private const MAX_DEPTH = 12;
    private const MAX_NS = 50_000_000;
    private const MAX_DETAILS = 500;
    private const TEXT_BYTES = 64;

    private const OPAQUE = 0;
    private const PROPERTIES = 1;
    private const COUNTED = 2;
    private const CLOSURE = 3;
    /** Internal classes whose properties, as an array, are what they hold; all others are their class's name alone: dates are clocks. */
    private const TRANSPARENT = [
        'stdClass' => 1, 'ArrayObject' => 1, 'ArrayIterator' => 1, 'Exception' => 1, 'Error' => 1,
    ];
    private const COUNTABLE = [
        'SplObjectStorage' => 1, 'SplDoublyLinkedList' => 1, 'SplQueue' => 1, 'SplStack' => 1, 'WeakMap' => 1, 'SplMinHeap' => 1,
        'SplMaxHeap' => 1, 'SplPriorityQueue' => 1,
    ];

    /** @var array<int, int> a unit's key → the print of its children */
    private array $prints = [];
    /** @var array<int, Detail> */
    private array $details = [];
    /** @var array<class-string, int> */
    private array $ways = [];
    /** @var array<class-string, \ReflectionClass<object>> for lazy objects, of PHP 8.4 */
    private array $lazy = [];
    private readonly bool $hasLazy;
    /** @var list<array{mixed, int, int, int, string|int}> value, key, depth, index of its parent, segment of the path */
    private array $queue = [];
    /** @var array<int, true> objects met in this walk */
    private array $met = [];
    private int $units = 0;
    private bool $whole = true;
    /** @var list<\PDO> connections met: an open transaction of one is a leak */
    private array $connections = [];
    private int $call = 0;

    /**
     * @param bool $interleaved calls are compared when they begin to wait, and each with the one that waited before it:
     *                          in between, others may have changed the same
     */
    public function __construct(private readonly Symbols $symbols, private readonly Changes $changes, private readonly bool $interleaved)
    {
        $this->hasLazy = method_exists(\ReflectionClass::class, 'isUninitializedLazyObject');
    }

    /**
     * @param string|null $function whose call it was that all changes since the last walk are judged by; null for a
     *                              walk that only takes down how things stand
     * @param int         $call     which of several at once it is; 0 where there is one at a time
     */
    public function run(?string $function, int $call): void
    {
        $this->call = $call;
        $before = $this->prints;
        $this->prints = [];
        $this->met = [];
        $this->connections = [];
        $this->units = 0;
        $this->whole = true;
        $deadlineNs = hrtime(true) + self::MAX_NS;
        // A constant in the default of a static property may name a class: it must not be loaded for us.
        $refuse = static function (string $class): void {
            throw new \LogicException("$class is not loaded while leaks are looked for.");
        };
        // The collector would run destructors in here, which may want their classes.
        $collects = gc_enabled();
        if ($collects) {
            gc_disable();
        }
        spl_autoload_register($refuse, true, true);
        try {
            foreach ($this->symbols->roots() as $name => [$kind, $value]) {
                $this->walkRoot($name, $kind, $value, $function, $before, $deadlineNs);
                if (!$this->whole) {
                    break;
                }
            }
        } finally {
            spl_autoload_unregister($refuse);
            $this->queue = [];
            $this->met = [];
            if ($collects) {
                gc_enable();
            }
        }
    }

    /** @return list<\PDO> */
    public function takeConnections(): array
    {
        $connections = $this->connections;
        $this->connections = [];

        return $connections;
    }

    public function units(): int
    {
        return $this->units;
    }

    public function isWhole(): bool
    {
        return $this->whole;
    }

    /** @param array<int, int> $before */
    private function walkRoot(string $name, string $kind, mixed $root, ?string $function, array $before, int $deadlineNs): void
    {
        if (is_object($root)) {
            if (isset($this->met[spl_object_id($root)])) {
                return;
            }
            $this->met[spl_object_id($root)] = true;
        }
        $this->queue = [[$root, crc32($name), 0, -1, $name]];
        for ($at = 0; $at < count($this->queue); ++$at) {
            if (++$this->units > self::MAX_UNITS || (($this->units & 127) === 0 && hrtime(true) > $deadlineNs)) {
                $this->whole = false;

                return;
            }
            [$value, $key, $depth] = $this->queue[$at];
            $size = 0;
            $children = is_array($value) ? $value : $this->childrenOf($value, $size);
            $print = $this->printOf($value, $children, $size, $key, $depth, $at);
            $this->prints[$key] = $print;
            $known = $before[$key] ?? null;
            if ($known === $print) {
                continue;
            }
            if ($this->interleaved) {
                if ($function === null) {
                    continue;
                }
            } elseif ($known === null) {
                unset($this->details[$key]);
                continue;
            }
            $was = $this->details[$key] ?? null;
            $now = $this->detailOf($value, $children, $size);
            if ($was === null && count($this->details) >= self::MAX_DETAILS) {
                unset($this->details[array_key_first($this->details)]);
            }
            $this->details[$key] = $now;
            if ($was !== null && $function !== null) {
                $this->changes->judge($function, $kind, $was, $now, $value instanceof \Closure || ($depth === 0 && is_array($value)), fn (string|int|null $child): string => $this->nameOf($at, $child));
            }
        }
    }

    /**
     * The order and number of steps here decide what a comparison costs.
     *
     * @param array<mixed> $children
     */
    private function printOf(mixed $value, array $children, int $size, int $key, int $depth, int $index): int
    {
        $print = is_array($value) ? 'a' . count($children) : $value::class . $size;
        $left = self::MAX_CHILDREN;
        foreach ($children as $name => $child) {
            if (--$left < 0) {
                $last = array_key_last($children);
                $print .= "\1$last";
                break;
            }
            if (is_string($child)) {
                $bytes = strlen($child);
                $print .= $bytes <= self::TEXT_BYTES
                    ? "\1$name\2$child"
                    : "\1$name\3$bytes" . substr($child, 0, self::TEXT_BYTES) . substr($child, -self::TEXT_BYTES);
            } elseif (is_array($child)) {
                $print .= "\1$name\4";
                if ($depth < self::MAX_DEPTH) {
                    $this->queue[] = [$child, ($key << 7) ^ ($key >> 29) ^ crc32((string) $name), $depth + 1, $index, $name];
                }
            } elseif (is_object($child)) {
                $print .= "\1$name\5" . ($child instanceof \UnitEnum ? $child::class . '::' . $child->name : $child::class);
                $id = spl_object_id($child);
                if ($depth < self::MAX_DEPTH && !isset($this->met[$id])) {
                    $this->met[$id] = true;
                    if ($this->wayOf($child) !== self::OPAQUE) {
                        $this->queue[] = [$child, ($key << 7) ^ ($key >> 29) ^ crc32((string) $name), $depth + 1, $index, $name];
                    } elseif ($child instanceof \PDO) {
                        $this->connections[] = $child;
                    }
                }
            } else {
                $print .= "\1$name\6" . ($child === null ? 'n' : ($child === false ? 'f' : (is_resource($child) ? 'r' : $child)));
            }
        }

        return crc32($print);
    }

    /**
     * @return array<mixed>
     *
     * @param int $size of a collection whose members are not looked at
     */
    private function childrenOf(object $object, int &$size): array
    {
        switch ($this->wayOf($object)) {
            case self::COUNTED:
                $size = count($object);

                return [];
            case self::CLOSURE:
                try {
                    $function = new \ReflectionFunction($object);
                    $self = $function->getClosureThis();

                    return Statics::of($function) + ($self === null ? [] : ['this' => $self]);
                } catch (\Throwable) {
                    return [];
                }
            case self::PROPERTIES:
                if ($this->hasLazy) {
                    $class = $this->lazy[$object::class] ??= new \ReflectionClass($object::class);
                    if ($class->isUninitializedLazyObject($object)) {
                        return [];
                    }
                }

                // Not get_object_vars() nor get_mangled_object_vars(), which leave a table in each object they were asked for.
                return (array) $object;
        }

        return [];
    }

    private function wayOf(object $object): int
    {
        return $this->ways[$object::class] ??= self::findWay($object);
    }

    private static function findWay(object $object): int
    {
        $class = $object::class;
        if ($object instanceof \Closure) {
            return self::CLOSURE;
        }
        if (isset(self::COUNTABLE[$class])) {
            return self::COUNTED;
        }
        if ($object instanceof \UnitEnum || str_starts_with($class, 'FpmGateway\\')) {
            return self::OPAQUE;
        }
        for ($parent = new \ReflectionClass($class); $parent !== false; $parent = $parent->getParentClass()) {
            if ($parent->isInternal()) {
                return isset(self::TRANSPARENT[$parent->name]) ? self::PROPERTIES : self::OPAQUE;
            }
        }

        return self::PROPERTIES;
    }

    /** @param array<mixed> $children */
    private function detailOf(mixed $value, array $children, int $size): Detail
    {
        $told = [];
        $left = self::MAX_CHILDREN;
        foreach ($children as $name => $child) {
            if (--$left < 0) {
                break;
            }
            $told[$name] = match (true) {
                is_string($child) => strlen($child) <= self::TEXT_BYTES
                    ? "'$child'"
                    : "'" . substr($child, 0, self::TEXT_BYTES) . "\0" . strlen($child) . substr($child, -self::TEXT_BYTES),
                is_array($child) => 'array',
                $child instanceof \UnitEnum => $child::class . '::' . $child->name,
                is_object($child) => 'object(' . $child::class . ')',
                is_resource($child) => 'resource',
                default => $child,
            };
        }

        return new Detail(
            $told,
            $size > 0 ? $size : count($children),
            $size > 0 ? !$value instanceof \WeakMap : array_is_list($children),
            is_array($value) ? 'array' : $value::class,
            $this->call,
        );
    }

    /** A variable or a property: keys of arrays in it are no part of its name. */
    private function nameOf(int $at, string|int|null $child): string
    {
        $steps = [];
        $owners = [];
        for ($index = $at; $index >= 0; $index = $this->queue[$index][3]) {
            $steps[] = $this->queue[$index][4];
            $owners[] = $this->queue[$index][0];
        }
        $steps = array_reverse($steps);
        $owners = array_reverse($owners);
        $root = (string) array_shift($steps);
        if ($child !== null) {
            $steps[] = $child;
        }
        $name = $root;
        $symbol = $root;
        foreach ($steps as $depth => $step) {
            $step = (string) $step;
            $slash = strrpos($step, "\0");
            $step = Leak::cut($slash === false ? $step : substr($step, $slash + 1));
            if ($owners[$depth] instanceof \Closure && $step !== 'this') {
                $symbol = $name = "static \$$step in " . Leak::place(new \ReflectionFunction($owners[$depth]));
            } elseif ($depth === 0 && !is_object($owners[0])) {
                $symbol = $name = match (true) {
                    str_ends_with($root, '::') => "$root\$$step",
                    str_starts_with($root, '$ in ') => "static \$$step" . substr($root, 1),
                    default => "{$root}['$step']",
                };
            } elseif (is_object($owners[$depth])) {
                $symbol = $name .= "->$step";
                // The way to it is long: its class says more.
                if (strlen($name) > 80) {
                    $symbol = $name = Leak::cut($owners[$depth]::class) . "->$step";
                }
            } else {
                $name .= "['$step']";
            }
        }

        return $symbol;
    }
}
