<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * Memory where calls run interleaved: those that wait hold some, too, so it rises with the load. Measured when no more
 * of them wait than usual: with none, or, in a worker that always has some, with about the least number of the last
 * 1,000 calls. When that has risen, what is known of the time before is forgotten.
 */
final class MemoryAtOnce
{
    private const CALLS = 1000;

    private int $most = 0;
    private int $least = PHP_INT_MAX;
    private int $calls = 0;
    private string $function = '';
    private bool $mixed = false;

    public function __construct(private readonly MemoryTrend $trend)
    {
    }

    /** @return array{kind: string, name: string, detail: string, restored: bool}|null */
    public function afterCall(string $function, int $running): ?array
    {
        if ($running < $this->least) {
            $this->least = $running;
        }
        if (++$this->calls === self::CALLS) {
            $this->endPeriod();
        }
        $this->mixed = $this->mixed || ($this->function !== '' && $this->function !== $function);
        $this->function = $function;
        if ($running > $this->most) {
            $this->trend->passOver();

            return null;
        }
        $name = $this->mixed ? 'several functions' : $function;
        $this->function = '';
        $this->mixed = false;

        return $this->trend->afterCall($name);
    }

    private function endPeriod(): void
    {
        if ($this->least > $this->most) {
            $this->trend->restart();
        }
        // Not one number alone: it may come seldom.
        $this->most = $this->least + intdiv($this->least, 4);
        $this->least = PHP_INT_MAX;
        $this->calls = 0;
    }
}
