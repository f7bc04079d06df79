<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resets;
use FpmGateway\Resident\Leaks\Changes;
use FpmGateway\Resident\Leaks\Counts;
use FpmGateway\Resident\Leaks\Detail;
use FpmGateway\Resident\Leaks\FreshRandom;
use FpmGateway\Resident\Leaks\Leak;
use FpmGateway\Resident\Leaks\MemoryTrend;
use FpmGateway\Resident\Leaks\ProcessState;
use FpmGateway\Resident\Leaks\Quiet;
use FpmGateway\Resident\Leaks\Settings;
use FpmGateway\Resident\Leaks\Symbols;
use FpmGateway\Resident\Leaks\Transactions;
use FpmGateway\Resident\Leaks\Walk;

/**
 * Finds what a call left behind in its worker, puts back what it can, and names the rest.
 *
 * What is cheap is looked at after every call. The full comparison, which goes through all values that outlive a call,
 * is made after the first calls of each function, then so seldom that it takes 1 % of the time that calls take. It needs
 * two looks, before and after one call: so it knows what one call changes, and whose it was.
 *
 * @phpstan-type LeakFound array{kind: string, name: string, detail: string, restored: bool}
 */
final class Sentinel
{
    /** A comparison that took 1 ms is followed by the next when calls have run for 100 ms. */
    private const SHARE = 100;
    /** What comparisons of first calls may take at once, and then for as much time of calls. */
    private const FIRST_NS = 200_000_000;
    private const FIRST_SHARE = 20;
    private const DENSE_CALLS = 10;
    /** A leak that goes on is told every so many calls, not with each. */
    private const SILENT_CALLS = 100;
    private const MAX_TOLD = 500;
    /** With one answer: the next tells others. */
    private const MAX_NEWS = 20;

    private const CLASSES = [
        Resets::class, Leak::class, Quiet::class, Detail::class, Transactions::class, ProcessState::class, FreshRandom::class,
        MemoryTrend::class, Settings::class, Symbols::class, Changes::class, Counts::class, Walk::class,
    ];

    private ?Symbols $symbols = null;
    private ProcessState $process;
    private FreshRandom $random;
    private MemoryTrend $memory;
    private Settings $settings;
    private Changes $changes;
    private Counts $counts;
    private Walk $walk;
    private bool $begun = false;
    private int $calls = 0;
    /** How things stood before this call is known. */
    private bool $armed = false;
    /** The function whose first calls are being compared; null: it is a sample. */
    private ?string $armedFor = null;
    /** @var array<string, true> functions whose first calls are over */
    private array $known = [];
    /** @var array<string, int> looks spent on a function's first calls: others may come between them */
    private array $spent = [];
    private bool $isBroken = false;
    /** Above this there is no room to look at everything: a call that was good would be answered by an error. */
    private int $memoryMaxBytes = PHP_INT_MAX;
    /** Time that calls have taken since the last comparison, and how much of it has to pass until the next. */
    private int $servedNs = 0;
    private int $waitNs = 0;
    private int $servedInAllNs = 0;
    private int $firstNs = 0;
    private int $lookNs = 0;
    /** @var array<string, int> leaks told → at which call */
    private array $told = [];

    /** @param array{first: int, dense: bool} $options */
    public function __construct(private readonly array $options)
    {
    }

    /**
     * Before forks, if there are any: what looking through some hundred classes finds is the same in all of them.
     *
     * @param mixed                   $app      what the bootstrap returned: services in it hold state, too
     * @param array<string, callable> $handlers by function: their static variables
     */
    public function prepare(mixed $app, array $handlers): void
    {
        // None may have to be loaded after a call: that would look like a change made by it.
        foreach (self::CLASSES as $class) {
            class_exists($class);
        }
        $this->symbols = new Symbols($app, $handlers);
        $this->symbols->discover();
    }

    /**
     * When the application and all handlers are loaded: what is there now belongs to them.
     *
     * @param mixed                   $app
     * @param array<string, callable> $handlers
     */
    public function begin(mixed $app, array $handlers): void
    {
        if ($this->symbols === null) {
            $this->prepare($app, $handlers);
        }
        $this->process = new ProcessState();
        $this->random = new FreshRandom();
        $this->settings = new Settings();
        $this->changes = new Changes();
        $this->walk = new Walk($this->symbols, $this->changes);
        $this->counts = new Counts($this->symbols, $this->changes);
        $startedNs = hrtime(true);
        $this->look(null);
        $this->armed = $this->options['first'] > 0;
        $this->memory = new MemoryTrend();
        $this->lookNs = hrtime(true) - $startedNs;
        $this->waitNs = self::SHARE * 2 * $this->lookNs;
        $this->memoryMaxBytes = self::roomBytes((string) ini_get('memory_limit'));
        $this->begun = true;
    }

    /** Three quarters of `128M`; all there is for `-1`. */
    private static function roomBytes(string $limit): int
    {
        $factor = ['k' => 1024, 'm' => 1024 ** 2, 'g' => 1024 ** 3][strtolower(substr($limit, -1))] ?? 1;

        return (int) $limit > 0 ? intdiv((int) $limit * $factor * 3, 4) : PHP_INT_MAX;
    }

    /**
     * When a call's own values are gone.
     *
     * @param int $startedNs `hrtime(true)` when the call began: its time is what comparisons may cost 1 % of
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public function afterCall(string $function, int $startedNs): array
    {
        if (!$this->begun) {
            // The bootstrap has ended this worker.
            return [];
        }
        ++$this->calls;
        $leaks = $this->process->putBack();
        $this->random->afterCall();
        if (Resets::$databases !== null) {
            array_push($leaks, ...Transactions::ofDatabases(Resets::$databases));
        }
        $grows = $this->memory->afterCall($function);
        if ($grows !== null) {
            $leaks[] = $grows;
        }
        $this->servedNs += \hrtime(true) - $startedNs;
        if ($this->armed || $this->servedNs >= $this->waitNs || !isset($this->known[$function]) || $this->options['dense']) {
            array_push($leaks, ...$this->lookIfDue($function));
        }

        return $leaks === [] ? [] : $this->news($leaks);
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    private function lookIfDue(string $function): array
    {
        $isFirst = $this->isFirst($function) && $this->canAfford();
        $isDense = $this->options['dense'] && $this->calls % self::DENSE_CALLS === self::DENSE_CALLS - 1;

        if (!$this->armed && !$isFirst && !$isDense && $this->servedNs < $this->waitNs) {
            return [];
        }
        if ($this->isBroken || memory_get_usage() > $this->memoryMaxBytes) {
            return [];
        }
        // Not even of what is suppressed may the application's own hear.
        set_error_handler(static fn (): bool => true);
        try {
            return $this->compare($function);
        } catch (\Throwable $error) {
            // The call was good, and so must its answer be.
            $this->isBroken = true;
            $this->armed = false;

            return [Leak::of('sentinel', $error::class, Leak::cut($error->getMessage()) . ': no more comparisons in this worker', false)];
        } finally {
            restore_error_handler();
        }
    }

    private function isFirst(string $function): bool
    {
        if ($this->changes->compared($function) < $this->options['first'] && ($this->spent[$function] ?? 0) < 2 * $this->options['first']) {
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

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    private function compare(string $function): array
    {
        $bytes = memory_get_usage();
        $startedNs = hrtime(true);
        if (!$this->armed) {
            $leaks = $this->look(null);
            $this->armed = true;
            $this->armedFor = $this->isFirst($function) && $this->canAfford() ? $function : null;
            $this->lookNs = hrtime(true) - $startedNs;
        } else {
            $this->changes->begin($function);
            $leaks = [...$this->look($function), ...$this->changes->take()];
            if ($this->isFirst($function)) {
                $this->armedFor = $function;
            }
            // Each look serves as the one before the next call, as long as that is likely to be wanted.
            $this->armed = $this->armedFor !== null && $this->isFirst($this->armedFor) && $this->canAfford();
            $this->waitNs = self::SHARE * ($this->lookNs + hrtime(true) - $startedNs);
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
    private function look(?string $function): array
    {
        $leaks = $this->settings->putBack();
        $this->walk->run($function);
        $this->counts->compare($function);
        foreach ($this->walk->takeConnections() as $connection) {
            $leak = Transactions::ofConnection($connection);
            if ($leak !== null) {
                $leaks[] = $leak;
            }
        }

        return $leaks;
    }

    /**
     * @param list<array{kind: string, name: string, detail: string, restored: bool}> $leaks
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    private function news(array $leaks): array
    {
        $news = [];
        foreach ($leaks as $leak) {
            $key = "$leak[kind] $leak[name]";
            if (isset($this->told[$key]) && $this->calls - $this->told[$key] < self::SILENT_CALLS) {
                continue;
            }
            if (Resets::isKept($leak['name'])) {
                continue;
            }
            unset($this->told[$key]);
            if (count($this->told) >= self::MAX_TOLD) {
                unset($this->told[array_key_first($this->told)]);
            }
            $this->told[$key] = $this->calls;
            $news[] = $leak;
            if (count($news) >= self::MAX_NEWS) {
                break;
            }
        }

        return $news;
    }
}
