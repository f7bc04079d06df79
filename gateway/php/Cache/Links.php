<?php

declare(strict_types=1);

namespace FpmGateway\Cache;

use FpmGateway\Client\Deadline;
use FpmGateway\Pooling\Place;
use FpmGateway\Pooling\Places;
use FpmGateway\Wait;

/**
 * Connections to the cache in a worker that runs many calls at once. Each is one call's while it asks, and while it makes
 * a value: the gateway takes leases back from a connection that asks for somebody else.
 *
 * @internal
 */
final class Links implements Way
{
    /** At once: each takes some 50 µs. */
    private const ASKS = 16;
    /**
     * Calls that make a value, or wait for one that another worker makes. They may wait for calls of this worker that
     * use the cache themselves, so that they never take the places of those, and none waits for a place here.
     */
    private const LEASES = 240;
    /** Descriptors are scarce: see Sockets. */
    private const IDLE = 32;
    private const GONE_NS = 1_000_000_000;
    private const LINE = 'all connections of this worker to the cache are in use by other calls.';

    private static ?self $own = null;

    /** @var list<Link> */
    private array $idle = [];
    private readonly Places $asks;
    private readonly Places $leases;
    /** @var \WeakMap<object, Held> by call */
    private \WeakMap $held;
    /** @var array<string, Making> by key, with a letter in front, or PHP makes integers of them */
    private array $makings = [];
    /** @var \WeakMap<object, true> calls whose end is waited for */
    private \WeakMap $watched;
    private int $goneUntilNs = 0;

    private function __construct(private readonly string $target)
    {
        $this->asks = new Places(self::ASKS);
        $this->leases = new Places(self::LEASES);
        $this->held = new \WeakMap();
        $this->watched = new \WeakMap();
    }

    public static function to(string $target): self
    {
        return self::$own ??= new self($target);
    }

    public function ask(int $command, int $keyBytes, string $behind, bool $repeats, float $patienceMs = 0.0): string
    {
        $do = static fn (Link $link): string => $link->ask($command, $keyBytes, $behind, $repeats, $patienceMs);

        return match ($command) {
            self::LEASE => $this->lease('k' . substr($behind, 16, $keyBytes), $do, $patienceMs),
            self::FILL => $this->fill('k' . substr($behind, 16, $keyBytes), $do, substr($behind, 16 + $keyBytes)),
            self::RELEASE => $this->release('k' . substr($behind, 8, $keyBytes), $do),
            default => $this->over($do),
        };
    }

    public function getAll(array $keys): array
    {
        return $this->over(static fn (Link $link): array => $link->getAll($keys));
    }

    /**
     * Of the calls of this worker one asks for the lease. The others wait here, without a connection each.
     *
     * @param \Closure(Link): string $do
     */
    private function lease(string $key, \Closure $do, float $patienceMs): string
    {
        $caller = $this->caller();
        // After so long another one makes it, too: the gateway says who.
        $deadline = Deadline::in($patienceMs / 2);
        while (($making = $this->makings[$key] ?? null) !== null && $deadline->leftMs() > 0) {
            if ($making->maker === $caller) {
                // It would wait for itself.
                return self::answer(self::BUSY);
            }
            $place = $making->places->take($deadline, 'another call of this worker makes the value that it wants from the cache.');
            if ($making->value !== null) {
                return self::answer(self::OK, $making->value);
            }
            // The next in line sees for itself.
            unset($place);
        }
        $this->makings[$key] ??= new Making($caller);
        $status = '';
        try {
            $answer = $this->mayLease($caller) ? $this->over($do, 1) : $this->unleased($key);
            $status = $answer[self::STATUS_AT];

            return $answer;
        } finally {
            if ($status === self::LEASED) {
                $this->watch($caller);
            } else {
                $this->made($key, $status === self::OK ? substr($answer, self::PAYLOAD_AT) : null);
                $this->give($caller);
            }
        }
    }

    /** It makes values already, or has a place for that from now on. */
    private function mayLease(object $caller): bool
    {
        if (isset($this->held[$caller])) {
            return true;
        }
        $this->assertThere();
        $place = $this->leases->now();
        if ($place !== null) {
            $this->hold($caller, $place);
        }

        return $place !== null;
    }

    /** As the gateway would send it. */
    private static function answer(string $status, string $value = ''): string
    {
        return str_repeat("\0", self::STATUS_AT) . $status . $value;
    }

    /** Too many make values already: this one is made, and not stored, unless it is there. */
    private function unleased(string $key): string
    {
        $key = substr($key, 1);
        $answer = $this->over(static fn (Link $link): string => $link->ask(self::GET, \strlen($key), $key, true));

        return $answer[self::STATUS_AT] === self::OK ? $answer : self::answer(self::BUSY);
    }

    /** @param \Closure(Link): string $do */
    private function fill(string $key, \Closure $do, string $value): string
    {
        $status = '';
        try {
            $answer = $this->over($do);
            $status = $answer[self::STATUS_AT];

            return $answer;
        } finally {
            // Behind one that is too large a release follows.
            if ($status !== self::TOO_LARGE) {
                $this->made($key, $status === self::OK ? $value : null);
                $this->give($this->caller());
            }
        }
    }

    /** @param \Closure(Link): string $do */
    private function release(string $key, \Closure $do): string
    {
        try {
            return $this->over($do);
        } finally {
            $this->made($key, null);
            $this->give($this->caller());
        }
    }

    /**
     * @template T
     *
     * @param \Closure(Link): T $do
     * @param int               $leases that may come of it: see `give()`
     *
     * @return T
     */
    private function over(\Closure $do, int $leases = 0): mixed
    {
        $caller = $this->caller();
        $held = $this->held[$caller] ?? $this->take($caller);
        $held->leases += $leases;
        $isAnswered = false;
        try {
            $answer = $do($held->link);
            $isAnswered = true;

            return $answer;
        } catch (Unavailable $gone) {
            $this->goneUntilNs = hrtime(true) + self::GONE_NS;
            throw $gone;
        } finally {
            if (!$isAnswered) {
                // It may still come, and is for nobody. Also where the call is dropped here.
                $held->link->close();
                unset($this->held[$caller]);
            } elseif ($held->leases === 0) {
                $this->letGo($caller, $held);
            }
        }
    }

    private function take(object $caller): Held
    {
        $this->assertThere();

        return $this->hold($caller, $this->asks->take(Deadline::never(), self::LINE) ?? throw new Unavailable(ucfirst(self::LINE)));
    }

    private function hold(object $caller, Place $place): Held
    {
        return $this->held[$caller] = new Held(array_pop($this->idle) ?? new Link($this->target, true), $place);
    }

    private function assertThere(): void
    {
        if (hrtime(true) < $this->goneUntilNs) {
            throw new Unavailable("The cache at $this->target could not be reached a moment ago.");
        }
    }

    /** It makes one value less. */
    private function give(object $caller): void
    {
        $held = $this->held[$caller] ?? null;
        if ($held !== null && --$held->leases === 0) {
            $this->letGo($caller, $held);
        }
    }

    private function letGo(object $caller, Held $held): void
    {
        unset($this->held[$caller]);
        if (\count($this->idle) < self::IDLE) {
            $this->idle[] = $held->link;
        } else {
            $held->link->close();
        }
    }

    /** Whoever waited for it goes on. */
    private function made(string $key, ?string $value): void
    {
        if (($this->makings[$key] ?? null)?->maker === $this->caller()) {
            $making = $this->makings[$key];
            unset($this->makings[$key]);
            $making->end($value);
        }
    }

    private function watch(object $caller): void
    {
        if ($caller !== $this && !isset($this->watched[$caller])) {
            $this->watched[$caller] = true;
            Wait::$scheduler?->atEnd(fn () => $this->leave($caller));
        }
    }

    /** The call ended in the middle of something: with the connection its leases end. */
    private function leave(object $caller): void
    {
        unset($this->watched[$caller]);
        $held = $this->held[$caller] ?? null;
        unset($this->held[$caller]);
        $held?->link->close();
        foreach ($this->makings as $key => $making) {
            if ($making->maker === $caller) {
                unset($this->makings[$key]);
                $making->end(null);
            }
        }
    }

    private function caller(): object
    {
        return Wait::$scheduler?->owner() ?? $this;
    }
}
