<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** What the gateway says in its first line: all files this process will ever load by itself. */
final class Start
{
    /**
     * @param string      $bootstrap absolute; empty for none
     * @param bool        $inWorker  the bootstrap runs in each worker: what it opens cannot be shared
     * @param list<array{name: string, file: string, streams: 'items'|'bytes'|null}> $functions
     * @param string      $uploads   the folder for files that come with calls
     * @param array{first: int, dense: bool}|null $sentinel null: nobody looks for what calls leave behind
     * @param string      $title     for process lists
     * @param string|null $socket    this process is a worker by itself, and listens there
     * @param int|null    $callMemoryBytes workers run many calls at once, and need so much for each; null: one at a time
     */
    private function __construct(
        public readonly string $bootstrap,
        public readonly bool $inWorker,
        public readonly array $functions,
        public readonly string $uploads,
        public readonly ?array $sentinel,
        public readonly string $title,
        public readonly ?string $socket,
        public readonly ?int $callMemoryBytes,
    ) {
    }

    /** @param array<string, mixed> $line */
    public static function of(array $line): self
    {
        if (($line['op'] ?? null) !== 'start' || !is_array($line['functions'] ?? null)) {
            throw new Malformed('The first line over descriptor 3 does not say what to start.');
        }
        $sentinel = array_key_exists('sentinel', $line) ? $line['sentinel'] : [];

        return new self(
            (string) ($line['bootstrap'] ?? ''),
            ($line['bootstrapIn'] ?? 'master') === 'worker',
            array_values($line['functions']),
            (string) ($line['uploads'] ?? ''),
            $sentinel === null ? null : ['first' => (int) ($sentinel['first'] ?? 20), 'dense' => (bool) ($sentinel['dense'] ?? false)],
            (string) ($line['title'] ?? ''),
            isset($line['socket']) ? (string) $line['socket'] : null,
            isset($line['concurrent']) ? (int) ($line['concurrent']['callMemoryBytes'] ?? 0) : null,
        );
    }
}
