<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/**
 * mt_srand(42) in one call would make the next one's mt_rand(), shuffle() and array_rand() foreseeable.
 *
 * Seeding anew after each call costs 2 µs, and PHP does not tell whether it is needed. But the numbers that follow a
 * seed of our own are known: while the next one is as expected, nobody has touched the generator. Calls that use random
 * numbers look the same as those that seed, so this is no leak to be told.
 */
final class FreshRandom
{
    private const NUMBERS = 256;
    /** Where functions use random numbers, foreseeing them would be in vain. */
    private const UNFORESEEN = 16;

    /** @var list<int> */
    private array $expected = [];
    private int $at = 0;
    private int $unforeseen = 0;

    public function __construct()
    {
        $this->foresee();
    }

    public function afterCall(): void
    {
        if ($this->expected !== [] && \mt_rand() === $this->expected[$this->at]) {
            if (++$this->at === self::NUMBERS) {
                $this->foresee();
            }
        } elseif (++$this->unforeseen < self::UNFORESEEN) {
            $this->expected = [];
            mt_srand();
        } else {
            $this->foresee();
        }
    }

    private function foresee(): void
    {
        $seed = random_int(0, 0x7FFFFFFF);
        mt_srand($seed);
        $this->expected = [];
        for ($number = 0; $number < self::NUMBERS; ++$number) {
            $this->expected[] = mt_rand();
        }
        mt_srand($seed);
        $this->at = 0;
        $this->unforeseen = 0;
    }
}
