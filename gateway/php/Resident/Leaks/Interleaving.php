<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

use FpmGateway\Resets;

/**
 * The sentinel of a worker that runs several calls at once, asked around each slice: the time that one call runs until
 * it waits or ends. What belongs to the process is as the application left it at the begin of each slice of another
 * call: put back when a call waits, and set again when it goes on. What it put into symbols cannot be taken out; that
 * is found, and told as `shared`.
 */
final class Interleaving
{
    private const NOT_AGAIN = ['session', 'signal', 'alarm', 'autoloader', 'stream-wrapper', 'stream-context'];
    private const WHILE_IT_WAITS = ': put back while this call waits, set again when it goes on';
    private const FOR_GOOD = ': put back when this call began to wait, and not set again';
    private const STAYS = ': others see it while this call waits';

    /** @var array<int, true> by number */
    private array $running = [];
    private int $last = 0;
    private readonly string $level;
    private readonly FirstSlices $slices;
    private readonly MemoryAtOnce $memory;
    /** The call whose first slice is compared. */
    private ?Aside $compared = null;
    /** The call that has been the only one since it began. */
    private ?Aside $lone = null;

    /**
     * @param array<string, true> $setting functions whose handlers name what sets php.ini or the environment
     * @param \Closure(list<array{kind: string, name: string, detail: string, restored: bool}>): list<array{kind: string, name: string, detail: string, restored: bool}> $news those of an ended call that were not told of late
     */
    public function __construct(
        private readonly ProcessState $process,
        private readonly Settings $settings,
        private readonly FreshRandom $random,
        private readonly Comparison $comparison,
        private readonly array $setting,
        MemoryTrend $memory,
        Symbols $symbols,
        int $first,
        bool $dense,
        private readonly \Closure $news,
    ) {
        $this->level = (string) ini_get('error_reporting');
        $this->memory = new MemoryAtOnce($memory);
        $this->slices = new FirstSlices($symbols, $memory, $first, $dense, fn (int $number): bool => isset($this->running[$number]));
    }

    /** Before the first slice of a call. */
    public function began(string $function): Aside
    {
        $aside = new Aside($function, ++$this->last);
        $this->lone = $this->running === [] ? $aside : null;
        $this->running[$aside->number] = true;
        $this->compared = $this->slices->begin($function) ? $aside : null;

        return $aside;
    }

    /** Before each of its later slices. */
    public function resumed(Aside $aside): void
    {
        if ($aside->again !== []) {
            $again = $aside->again;
            $aside->again = [];
            self::setAgain($again);
        }
    }

    /** Behind each slice in which it began to wait. */
    public function suspended(Aside $aside): void
    {
        $leaks = $this->process->putBack();
        if ($leaks !== []) {
            $this->setAside($aside, $leaks, $this->process->takeAgain());
        }
        if (\ini_get('error_reporting') !== $this->level) {
            $this->setAside($aside, [$this->putBackLevel()], []);
        }
        $this->random->afterCall();
        if ($this->compared !== null || isset($this->setting[$aside->function])) {
            $this->look($aside);
        }
    }

    /**
     * Behind its last slice, when its own values are gone.
     *
     * @param int         $startedNs `hrtime(true)` when it began
     * @param object|null $owner     who a Database knows it by
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public function ended(Aside $aside, int $startedNs, ?object $owner): array
    {
        unset($this->running[$aside->number]);
        $leaks = $this->process->putBack();
        if ($leaks !== []) {
            $this->process->takeAgain();
        }
        if (ini_get('error_reporting') !== $this->level) {
            $leaks[] = $this->putBackLevel();
        }
        if (isset($this->setting[$aside->function])) {
            array_push($leaks, ...$this->comparison->putBackSettings());
        }
        $this->random->afterCall();
        if (Resets::$databases !== null) {
            array_push($leaks, ...Transactions::ofCall(Resets::$databases, $owner, $this->running === []));
        }
        $grows = $this->memory->afterCall($aside->function, count($this->running));
        if ($grows !== null) {
            $leaks[] = $grows;
        }
        if ($this->compared === $aside) {
            $this->compared = null;
            array_push($leaks, ...$this->slices->end($aside->function, $aside->number, false));
        }
        if ($this->lone === $aside) {
            $this->lone = null;
            array_push($leaks, ...$this->comparison->afterCall($aside->function, $startedNs));
        } else {
            $this->comparison->forget();
        }

        return ($this->news)($aside->found === [] ? $leaks : [...array_values($aside->found), ...$leaks]);
    }

    /** What takes longer: of calls that are compared, and of functions that say they set something. */
    private function look(Aside $aside): void
    {
        $leaks = Quiet::run($this->settings->putBack(...)) ?? [];
        if ($leaks !== []) {
            $this->setAside($aside, $leaks, $this->settings->takeAgain());
        }
        if ($this->compared === $aside) {
            foreach ($this->slices->end($aside->function, $aside->number, true) as $leak) {
                $aside->found["$leak[kind] $leak[name]"] = $leak;
            }
        }
        $this->compared = null;
    }

    /**
     * @param list<array{kind: string, name: string, detail: string, restored: bool}> $leaks
     * @param list<\Closure(): mixed>                                                 $again
     */
    private function setAside(Aside $aside, array $leaks, array $again): void
    {
        array_push($aside->again, ...$again);
        foreach ($leaks as $leak) {
            $isLimit = in_array($leak['name'], Settings::OF_ALL, true);
            $why = match (true) {
                !$leak['restored'] => self::STAYS,
                $isLimit || in_array($leak['kind'], self::NOT_AGAIN, true) => self::FOR_GOOD,
                default => self::WHILE_IT_WAITS,
            };
            $leak['detail'] .= $why;
            $leak['kind'] = 'shared';
            $aside->found["shared $leak[name]"] ??= $leak;
        }
    }

    /**
     * Each Fiber has a level of its own, which PHP takes from php.ini's when it begins: that is what a call changes for
     * those that begin later.
     *
     * @return array{kind: string, name: string, detail: string, restored: bool}
     */
    private function putBackLevel(): array
    {
        $now = ini_get('error_reporting');
        if ($this->level === '' || ini_set('error_reporting', $this->level) === false) {
            ini_restore('error_reporting');
        }

        return Leak::change('ini', 'error_reporting', (int) $this->level, (int) $now, ini_get('error_reporting') === $this->level);
    }

    /** @param list<\Closure(): mixed> $again */
    private static function setAgain(array $again): void
    {
        foreach ($again as $set) {
            try {
                $set();
            } catch (\Throwable) {
                // As of a folder that is gone: the call finds what the application set.
            }
        }
    }
}
