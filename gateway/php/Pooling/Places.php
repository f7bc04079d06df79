<?php

declare(strict_types=1);

namespace FpmGateway\Pooling;

use FpmGateway\Client\Deadline;
use FpmGateway\DeadlineExceeded;
use FpmGateway\Wait;

/**
 * So many calls of this worker may do something at once; the others wait in line, in order of arrival.
 *
 * @internal
 */
final class Places
{
    /** How often to look for places whose holder has left without a word. */
    public const LOOK_MS = 50.0;

    private int $taken = 0;
    /** @var \SplQueue<\WeakReference<Place>> weak: who left the line leaves no trace */
    private \SplQueue $line;

    /** @param (\Closure(): void)|null $sweep ends places whose holder has left without a word */
    public function __construct(private int $max, private readonly ?\Closure $sweep = null)
    {
        $this->line = new \SplQueue();
    }

    public function setMax(int $max): void
    {
        $this->max = $max;
        $this->grant();
    }

    /** Granted at once, or in line: then its call is woken when it is. */
    public function ask(): Place
    {
        if ($this->taken >= $this->max) {
            $this->sweep();
        }
        $place = new Place($this);
        if ($this->taken < $this->max && $this->line->isEmpty()) {
            ++$this->taken;
            $place->grant();
        } else {
            $this->line->enqueue(\WeakReference::create($place));
        }

        return $place;
    }

    /** One that is free; null: none is. */
    public function now(): ?Place
    {
        return $this->taken < $this->max && $this->line->isEmpty() ? $this->ask() : null;
    }

    /**
     * Waits in line.
     *
     * @param string $why for those who waited in vain: what there is so few of
     *
     * @return Place|null null: not within its time
     *
     * @throws DeadlineExceeded
     */
    public function take(Deadline $deadline, string $why): ?Place
    {
        $place = $this->ask();
        try {
            while (!$place->isGranted()) {
                $leftMs = $deadline->leftMs();
                // Where nothing else runs, nobody would make room.
                if ($leftMs <= 0 || Wait::$scheduler === null) {
                    return null;
                }
                Wait::sleep($this->sweep === null ? $leftMs : min($leftMs, self::LOOK_MS));
                $this->sweep();
            }
        } catch (DeadlineExceeded $late) {
            throw new DeadlineExceeded("The time of the call ran out while it waited in line: $why", 0, $late);
        }

        return $place;
    }

    /** @internal of a Place */
    public function free(): void
    {
        --$this->taken;
        $this->grant();
    }

    private function sweep(): void
    {
        if ($this->sweep !== null) {
            ($this->sweep)();
        }
    }

    private function grant(): void
    {
        while ($this->taken < $this->max && !$this->line->isEmpty()) {
            $place = $this->line->dequeue()->get();
            if ($place !== null) {
                ++$this->taken;
                $place->grant();
            }
        }
    }
}
