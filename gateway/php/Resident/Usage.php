<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use function getrusage;
use function hrtime;
use function intdiv;
use function memory_get_peak_usage;
use function memory_reset_peak_usage;

/**
 * What one call costs. Asking the system takes 2 µs: the end of one call is the start of the next when this process
 * did not wait in between. When it did, the wait would count as one of the call's.
 */
final class Usage
{
    private int $startedNs = 0;
    private int $cpuUs = 0;
    private int $waits = 0;
    private bool $known = false;
    private readonly bool $resetsPeak;

    public function __construct(private readonly int $pid)
    {
        $this->resetsPeak = function_exists('memory_reset_peak_usage');
    }

    public function begin(): int
    {
        if (!$this->known) {
            $this->read();
        }
        if ($this->resetsPeak) {
            memory_reset_peak_usage();
        }

        return $this->startedNs = hrtime(true);
    }

    /** The process is going to wait. */
    public function forget(): void
    {
        $this->known = false;
    }

    /** Members of the envelope's meta, as JSON. */
    public function end(): string
    {
        $cpuUs = $this->cpuUs;
        $waits = $this->waits;
        $this->read();

        return '"pid":' . $this->pid
            . ',"peakBytes":' . memory_get_peak_usage(true)
            . ',"cpuMs":' . ($this->cpuUs - $cpuUs) / 1000
            . ',"wallMs":' . intdiv(hrtime(true) - $this->startedNs, 1000) / 1000
            . ',"waits":' . ($this->waits - $waits);
    }

    private function read(): void
    {
        $usage = getrusage();
        $this->cpuUs = ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1_000_000
            + $usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec'];
        $this->waits = $usage['ru_nvcsw'];
        $this->known = true;
    }
}
