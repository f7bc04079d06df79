<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * The full comparison where calls run interleaved. Between a call's begin and its first wait nothing else runs, so what
 * has changed by then is its own, and is what all others see until it goes on. It is compared with what the calls before
 * it left when they began to wait: a static that is emptied when its call ends holds another user in each.
 *
 * Made for the first calls of each function, then so seldom that looks take 1 % of the worker's time. Later slices are
 * not looked at: it would take a look at the begin of each.
 */
final class FirstSlices
{
    private const SHARE = 100;
    /** What looks at first calls may take at once, and then for as much of the worker's life. */
    private const FIRST_NS = 200_000_000;
    private const FIRST_SHARE = 20;
    private const DENSE_CALLS = 10;

    private readonly Changes $changes;
    private readonly Walk $walk;
    private readonly int $memoryMaxBytes;
    private readonly int $bornNs;
    private bool $isBroken = false;
    private int $calls = 0;
    /** @var array<string, int> looks at first calls of each function */
    private array $looks = [];
    private int $firstNs = 0;
    private int $nextNs;
    private int $lookNs = 0;

    /** @param \Closure(int): bool $isRunning by a call's number */
    public function __construct(
        Symbols $symbols,
        private readonly MemoryTrend $memory,
        private readonly int $first,
        private readonly bool $dense,
        \Closure $isRunning,
    ) {
        $this->changes = new Changes($isRunning);
        $this->walk = new Walk($symbols, $this->changes, true);
        $this->memoryMaxBytes = Comparison::roomBytes();
        $this->bornNs = $this->nextNs = hrtime(true);
    }

    /** Before a call begins: whether it is one to compare. Then how things stand has been taken down. */
    public function begin(string $function): bool
    {
        ++$this->calls;
        $looks = $this->looks[$function] ?? 0;
        $nowNs = \hrtime(true);
        $isFirst = $looks < $this->first && $this->firstNs < self::FIRST_NS + intdiv($nowNs - $this->bornNs, self::FIRST_SHARE);
        if (!$isFirst && $nowNs < $this->nextNs && !($this->dense && $this->calls % self::DENSE_CALLS === 0)) {
            return false;
        }
        if ($this->isBroken || memory_get_usage() > $this->memoryMaxBytes) {
            return false;
        }
        $this->looks[$function] = $looks + 1;
        $bytes = memory_get_usage();
        $broken = $this->quietly(fn (): mixed => $this->walk->run(null, 0));
        $this->memory->leaveOut(memory_get_usage() - $bytes);
        $this->lookNs = hrtime(true) - $nowNs;

        return $broken === null;
    }

    /**
     * At the end of its first slice.
     *
     * @param bool $waits false: it has ended without waiting, and what it changed is what it left behind
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public function end(string $function, int $number, bool $waits): array
    {
        $startedNs = hrtime(true);
        $bytes = memory_get_usage();
        $this->changes->begin($function, $waits);
        $broken = $this->quietly(fn (): mixed => $this->walk->run($function, $number));
        $leaks = $this->changes->take();
        foreach ($waits ? $this->walk->takeConnections() : [] as $connection) {
            if (Transactions::isOpen($connection)) {
                $leaks[] = Leak::of('shared', $connection::class, 'a transaction is open while this call waits, on a connection that others use', false);
            }
        }
        $this->memory->leaveOut(memory_get_usage() - $bytes);
        $nowNs = hrtime(true);
        $tookNs = $this->lookNs + $nowNs - $startedNs;
        $this->nextNs = $nowNs + self::SHARE * $tookNs;
        if ($this->looks[$function] <= $this->first) {
            $this->firstNs += $tookNs;
        }

        return $broken === null ? $leaks : [$broken];
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool}|null why there are no more */
    private function quietly(\Closure $do): ?array
    {
        set_error_handler(static fn (): bool => true);
        try {
            $do();

            return null;
        } catch (\Throwable $error) {
            $this->isBroken = true;

            return Leak::of('sentinel', $error::class, Leak::cut($error->getMessage()) . ': no more comparisons in this worker', false);
        } finally {
            restore_error_handler();
        }
    }
}
