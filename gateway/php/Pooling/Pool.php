<?php

declare(strict_types=1);

namespace FpmGateway\Pooling;

use FpmGateway\Client\Deadline;
use FpmGateway\StreamFailed;

/**
 * Connections of one kind in this process. Each is lent to one call at a time; those that nobody uses are kept for the
 * next, the one used last first, so that those too many go stale.
 *
 * @internal
 */
final class Pool
{
    private const MAX = 256;

    /** @var array<string, self> by name */
    private static array $all = [];
    /** @var list<mixed> of a parent process: closing one would close it for the parent */
    private static array $inherited = [];

    /** @var list<Idle> the one used last is at the end */
    private array $idle = [];
    private readonly Places $places;
    private int $pid;

    private function __construct(private readonly string $name)
    {
        $this->places = new Places(1);
        $this->pid = (int) getmypid();
    }

    /** @param bool $isAlone of a unit test: it shares nothing with others */
    public static function of(string $name, bool $isAlone): self
    {
        if ($name === '') {
            throw new \InvalidArgumentException('A pool has a name: give the same one to all that share its connections.');
        }

        return $isAlone ? new self($name) : self::$all[$name] ??= new self($name);
    }

    /**
     * @param callable(): mixed            $make
     * @param (callable(mixed): bool)|null $isGood
     */
    public function lend(callable $make, int $max, int $idleMs, ?callable $isGood, Deadline $deadline): Loan
    {
        if ($max < 1 || $max > self::MAX || $idleMs < 0) {
            throw new \InvalidArgumentException(sprintf('The pool %s has max %d and idleMs %d: they are 1 to %d and at least 0.', $this->name, $max, $idleMs, self::MAX));
        }
        $this->leaveToParent();
        $this->places->setMax($max);
        $why = sprintf('all %d connections of the pool %s are in use by other calls. Raise its max, or keep a connection for a shorter time.', $max, $this->name);
        $place = $this->places->take($deadline, $why) ?? throw new StreamFailed("The time of the call was over while it waited in line: $why", true);
        $this->close($idleMs);
        while (($idle = array_pop($this->idle)) !== null) {
            if ($idle->isFit($isGood)) {
                return new Loan($this, $idle->connection, $place);
            }
            $idle->end();
        }
        $made = $make();
        if (!is_object($made) && !is_resource($made)) {
            throw new \UnexpectedValueException(sprintf('What makes connections of the pool %s returned %s: it must return an object or a resource.', $this->name, get_debug_type($made)));
        }

        return new Loan($this, $made, $place);
    }

    public function name(): string
    {
        return $this->name;
    }

    public function keep(mixed $connection): void
    {
        if ($this->pid === getmypid()) {
            $this->idle[] = new Idle($connection, hrtime(true));
        }
    }

    /** Those that nobody has used for so long: servers end them sooner or later, and what is not used costs nothing. */
    private function close(int $idleMs): void
    {
        $sinceNs = hrtime(true) - $idleMs * 1_000_000;
        while ($this->idle !== [] && $this->idle[0]->sinceNs < $sinceNs) {
            array_shift($this->idle)->end();
        }
    }

    private function leaveToParent(): void
    {
        if ($this->pid !== getmypid()) {
            array_push(self::$inherited, ...$this->idle);
            $this->idle = [];
            $this->pid = (int) getmypid();
        }
    }
}
