<?php

declare(strict_types=1);

namespace App\Kernel;

/** How long each part of something took. */
final class Clock
{
    /** @var array<string, float> */
    private array $laps = [];
    private int $lastNs;

    public function __construct()
    {
        $this->lastNs = hrtime(true);
    }

    public function lap(string $name): void
    {
        $nowNs = hrtime(true);
        $this->laps[$name] = ($nowNs - $this->lastNs) / 1e6;
        $this->lastNs = $nowNs;
    }

    /** @return array<string, float> */
    public function laps(): array
    {
        return $this->laps;
    }
}
