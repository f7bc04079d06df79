<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/** Numbers of things that calls may leave open. They may be opened once and kept: only growth again and again counts. */
final class Counts
{
    private const OFTEN = 12;
    /** Of these, few are ever kept. */
    private const SELDOM = 3;

    /** @var array<string, int> */
    private array $counts = [];
    private readonly string $childrenFile;
    private readonly bool $hasDescriptors;

    public function __construct(private readonly Symbols $symbols, private readonly Changes $changes)
    {
        $this->childrenFile = '/proc/self/task/' . getmypid() . '/children';
        $this->hasDescriptors = is_dir('/proc/self/fd');
    }

    public function compare(?string $function): void
    {
        $was = $this->counts;
        $this->counts = $this->count();
        foreach ($function === null ? [] : $this->counts as $what => $now) {
            if (isset($was[$what]) && $now > $was[$what]) {
                [$kind, $times] = match ($what) {
                    'child processes' => ['child-process', self::SELDOM],
                    'autoloaders' => ['autoloader', self::SELDOM],
                    'classes and functions from eval()' => ['code', self::OFTEN],
                    'constants' => ['constant', self::OFTEN],
                    default => ['resource', self::OFTEN],
                };
                $this->changes->grew($function, $kind, $what, $was[$what], $now, $times);
            }
        }
    }

    /** @return array<string, int> */
    private function count(): array
    {
        $counts = [
            'open resources' => count(get_resources()),
            'autoloaders' => count(spl_autoload_functions()),
            'stream wrappers and filters' => count(stream_get_wrappers()) + count(stream_get_filters()),
            'classes and functions from eval()' => $this->symbols->evaluated(),
            'constants' => count(get_defined_constants()),
        ];
        if ($this->hasDescriptors) {
            $counts['file descriptors'] = count(@scandir('/proc/self/fd') ?: []);
        }
        $children = @file_get_contents($this->childrenFile);
        if ($children !== false) {
            $counts['child processes'] = substr_count($children, ' ');
        }

        return $counts;
    }
}
