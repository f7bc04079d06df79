<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resets;
use FpmGateway\Resident\Leaks\Aside;
use FpmGateway\Resident\Leaks\Changes;
use FpmGateway\Resident\Leaks\Comparison;
use FpmGateway\Resident\Leaks\Counts;
use FpmGateway\Resident\Leaks\Detail;
use FpmGateway\Resident\Leaks\FirstSlices;
use FpmGateway\Resident\Leaks\FreshRandom;
use FpmGateway\Resident\Leaks\Interleaving;
use FpmGateway\Resident\Leaks\Leak;
use FpmGateway\Resident\Leaks\MemoryAtOnce;
use FpmGateway\Resident\Leaks\MemoryTrend;
use FpmGateway\Resident\Leaks\ProcessState;
use FpmGateway\Resident\Leaks\Quiet;
use FpmGateway\Resident\Leaks\Settings;
use FpmGateway\Resident\Leaks\Statics;
use FpmGateway\Resident\Leaks\Symbols;
use FpmGateway\Resident\Leaks\Transactions;
use FpmGateway\Resident\Leaks\Walk;

/**
 * Finds what a call left behind in its worker, puts back what it can, and names the rest. What is cheap is looked at
 * after every call (ProcessState), the values that outlive a call now and then (Comparison).
 */
final class Sentinel
{
    private const CLASSES = [
        Resets::class, Leak::class, Quiet::class, Detail::class, Transactions::class, ProcessState::class, FreshRandom::class,
        MemoryTrend::class, Settings::class, Statics::class, Symbols::class, Changes::class, Counts::class, Walk::class, Comparison::class,
        Interleaving::class, Aside::class, FirstSlices::class, MemoryAtOnce::class, MemoryLimit::class,
    ];
    /** A leak that goes on is told every so many calls, not with each. */
    private const SILENT_CALLS = 100;
    private const MAX_TOLD = 500;
    /** With one answer: the next tells others. */
    private const MAX_NEWS = 20;

    /** @var array<string, true> functions behind which all settings are compared */
    private array $setting = [];
    private ?Symbols $symbols = null;
    private ProcessState $process;
    private FreshRandom $random;
    private MemoryTrend $memory;
    private ?Comparison $comparison = null;
    private Settings $settings;
    private int $calls = 0;
    /** @var array<string, int> leaks told → at which call */
    private array $told = [];

    /** @param array{first: int, dense: bool} $options calls of each function to be compared, and whether every tenth is */
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
        $this->memory = new MemoryTrend();
        $this->settings = new Settings();
        $this->comparison = new Comparison($this->symbols, $this->settings, $this->memory, $this->options['first'], $this->options['dense']);
    }

    /** @param list<string> $functions whose handlers' files name what sets php.ini or the environment */
    public function watchSettings(array $functions): void
    {
        $this->setting = array_fill_keys($functions, true);
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
        if ($this->comparison === null) {
            // The bootstrap has ended this worker.
            return [];
        }
        ++$this->calls;
        $leaks = $this->process->putBack();
        if ($leaks !== []) {
            // There is no call that goes on with it.
            $this->process->takeAgain();
        }
        if (isset($this->setting[$function])) {
            array_push($leaks, ...$this->comparison->putBackSettings());
        }
        $this->random->afterCall();
        if (Resets::$databases !== null) {
            array_push($leaks, ...Transactions::ofDatabases(Resets::$databases));
        }
        $grows = $this->memory->afterCall($function);
        if ($grows !== null) {
            $leaks[] = $grows;
        }
        $found = $this->comparison->afterCall($function, $startedNs);

        return $leaks === [] && $found === [] ? [] : $this->news([...$leaks, ...$found]);
    }

    /**
     * @param list<array{kind: string, name: string, detail: string, restored: bool}> $leaks
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    private function ofEnded(array $leaks): array
    {
        ++$this->calls;

        return $leaks === [] ? [] : $this->news($leaks);
    }

    /** After begin() and watchSettings(), in a worker that runs several calls at once: then it is asked instead of afterCall(). */
    public function interleave(): Interleaving
    {
        if ($this->comparison === null) {
            throw new \LogicException('The sentinel has not begun.');
        }

        return new Interleaving(
            $this->process,
            $this->settings,
            $this->random,
            $this->comparison,
            $this->setting,
            $this->memory,
            $this->symbols,
            $this->options['first'],
            $this->options['dense'],
            $this->ofEnded(...),
        );
    }

    /**
     * Those that were not told of late.
     *
     * @param list<array{kind: string, name: string, detail: string, restored: bool}> $leaks
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public function news(array $leaks): array
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
