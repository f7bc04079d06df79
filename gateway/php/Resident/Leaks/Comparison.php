<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

use FpmGateway\Resident\MemoryLimit;

/**
 * The full comparison, and when it is made: after the first calls of each function, then so seldom that it takes 1 % of
 * the time that calls take. It needs two looks, before and after one call: so it knows what one call changes, and whose
 * it was.
 */
final class Comparison
{
    /** One that took 1 ms is followed by the next when calls have run for 100 ms. */
    private const SHARE = 100;
    /** What comparisons of first calls may take at once, and then for as much time of calls. */
    private const FIRST_NS = 200_000_000;
    private const FIRST_SHARE = 20;
    private const DENSE_CALLS = 10;

    private readonly Changes $changes;
    private readonly Counts $counts;
    private readonly Walk $walk;
    /** Above this there is no room to look at everything: a call that was good would be answered by an error. */
    private readonly int $memoryMaxBytes;
    private int $calls = 0;
    private bool $isBroken = false;
    /** How things stood before this call is known. */
    private bool $armed;
    /** The function whose first calls are being compared; null: it is a sample. */
    private ?string $armedFor = null;
    /** @var array<string, true> functions whose first calls are over */
    private array $known = [];
    /** @var array<string, int> looks spent on a function's first calls: others may come between them */
    private array $spent = [];
    /** Time that calls have taken since the last comparison, and how much of it has to pass until the next. */
    private int $servedNs = 0;
    private int $waitNs = 0;
    private int $servedInAllNs = 0;
    private int $firstNs = 0;
    private int $lookNs = 0;

    public function __construct(
        Symbols $symbols,
        private readonly Settings $settings,
        private readonly MemoryTrend $memory,
        private readonly int $first,
        private readonly bool $dense,
    ) {
        $this->changes = new Changes(null);
        $this->walk = new Walk($symbols, $this->changes, false);
        $this->counts = new Counts($symbols, $this->changes);
        $this->memoryMaxBytes = self::roomBytes();
        $this->armed = false;
        $this->quietly($this->arm(...));
        $this->armed = $first > 0;
        $this->waitNs = self::SHARE * 2 * $this->lookNs;
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    public function afterCall(string $function, int $startedNs): array
    {
        ++$this->calls;
        $this->servedNs += \hrtime(true) - $startedNs;
        if (!$this->armed && $this->servedNs < $this->waitNs && isset($this->known[$function]) && !$this->dense) {
            return [];
        }
        $isFirst = $this->isFirst($function) && $this->canAfford();
        $isDense = $this->dense && $this->calls % self::DENSE_CALLS === self::DENSE_CALLS - 1;
        if (!$this->armed && !$isFirst && !$isDense && $this->servedNs < $this->waitNs) {
            return [];
        }
        if ($this->isBroken || memory_get_usage() > $this->memoryMaxBytes) {
            // What is known of the time before would be older than one call.
            $this->armed = false;

            return [];
        }

        return $this->quietly(fn (): array => $this->compare($function));
    }

    /** Several calls ran at once: what has changed since is no single call's. */
    public function forget(): void
    {
        $this->armed = false;
    }

    /**
     * Behind each call of a handler that says it sets them: 25 µs.
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public function putBackSettings(): array
    {
        return $this->isBroken ? [] : $this->quietly($this->putBack(...));
    }

    /** Three quarters of `128M`; all there is for `-1`. */
    public static function roomBytes(): int
    {
        $limitBytes = MemoryLimit::bytes();

        return $limitBytes === PHP_INT_MAX ? PHP_INT_MAX : intdiv($limitBytes * 3, 4);
    }

    private function isFirst(string $function): bool
    {
        if ($this->changes->compared($function) < $this->first && ($this->spent[$function] ?? 0) < 2 * $this->first) {
            return true;
        }
        $this->known[$function] = true;

        return false;
    }

    /** First calls of many functions, of a large application, in a worker that does not get old. */
    private function canAfford(): bool
    {
        return $this->firstNs < self::FIRST_NS + intdiv($this->servedInAllNs + $this->servedNs, self::FIRST_SHARE);
    }

    /**
     * @param \Closure(): list<array{kind: string, name: string, detail: string, restored: bool}> $do
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    private function quietly(\Closure $do): array
    {
        // Not even of what is suppressed may the application's own handler hear.
        set_error_handler(static fn (): bool => true);
        try {
            return $do();
        } catch (\Throwable $error) {
            // The call was good, and so must its answer be.
            $this->isBroken = true;
            $this->armed = false;

            return [Leak::of('sentinel', $error::class, Leak::cut($error->getMessage()) . ': no more comparisons in this worker', false)];
        } finally {
            restore_error_handler();
        }
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    private function compare(string $function): array
    {
        $bytes = memory_get_usage();
        $startedNs = hrtime(true);
        if ($this->armed) {
            $this->changes->begin($function, false);
            $leaks = [...$this->look($function), ...$this->changes->take()];
            if ($this->isFirst($function)) {
                $this->armedFor = $function;
            }
            // Each look serves as the one before the next call, as long as that is likely to be wanted.
            $this->armed = $this->armedFor !== null && $this->isFirst($this->armedFor) && $this->canAfford();
            $this->waitNs = self::SHARE * ($this->lookNs + hrtime(true) - $startedNs);
        } else {
            $leaks = $this->arm();
            $this->armedFor = $this->isFirst($function) && $this->canAfford() ? $function : null;
        }
        if ($this->armedFor !== null) {
            $this->spent[$this->armedFor] = ($this->spent[$this->armedFor] ?? 0) + 1;
            $this->firstNs += hrtime(true) - $startedNs;
        }
        $this->servedInAllNs += $this->servedNs;
        $this->servedNs = 0;
        $this->memory->leaveOut(memory_get_usage() - $bytes);

        return $leaks;
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    private function putBack(): array
    {
        $leaks = $this->settings->putBack();
        if ($leaks !== []) {
            // There is no call that goes on with it.
            $this->settings->takeAgain();
        }

        return $leaks;
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    private function arm(): array
    {
        $startedNs = hrtime(true);
        $leaks = $this->look(null);
        $this->lookNs = hrtime(true) - $startedNs;
        $this->armed = true;

        return $leaks;
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    private function look(?string $function): array
    {
        $leaks = $this->putBack();
        $this->walk->run($function, 0);
        $this->counts->compare($function);
        foreach ($this->walk->takeConnections() as $connection) {
            $leak = Transactions::ofConnection($connection);
            if ($leak !== null) {
                $leaks[] = $leak;
            }
        }

        return $leaks;
    }
}
