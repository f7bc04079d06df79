<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Quiet;

/** What the gateway and this process tell each other besides calls: one JSON object in each line, over descriptor 3. */
final class Control
{
    private const READ_BYTES = 65_536;
    private const FLAGS = JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_UNESCAPED_SLASHES
        | JSON_UNESCAPED_UNICODE;

    private string $read = '';
    /** @var list<array<string, mixed>> */
    private array $lines = [];
    private bool $ended = false;
    /** Of the gateway, for each process: forks have copies of descriptor 3, and what they write there is not ours. */
    private string $key = '';

    /** @param resource $stream */
    private function __construct(private $stream)
    {
        // Reads take what is there: stream_select() knows nothing of bytes in a buffer of PHP's.
        stream_set_read_buffer($stream, 0);
    }

    public static function open(): self
    {
        $stream = @fopen('php://fd/3', 'r+');
        if ($stream === false) {
            throw new Malformed('File descriptor 3 is not open: this script is started by the gateway.');
        }

        return new self($stream);
    }

    /**
     * The next line; null at the end, which is the gateway's, or when no line came in time.
     *
     * @return array<string, mixed>|null
     */
    public function line(?int $withinMs): ?array
    {
        while ($this->lines === [] && !$this->ended) {
            $read = [$this->stream];
            $none = null;
            try {
                $ready = @stream_select($read, $none, $none, $withinMs === null ? null : 0, $withinMs === null ? null : $withinMs * 1000);
            } catch (\Throwable) {
                // A signal ends the wait with a warning, of which the application's error handler may make an exception.
                $ready = 0;
            }
            if ($ready === 1) {
                $this->take((string) Quiet::run(fn (): string|false => fread($this->stream, self::READ_BYTES)));
            } elseif ($withinMs !== null) {
                return null;
            }
        }

        return array_shift($this->lines);
    }

    public function signWith(string $key): void
    {
        $this->key = $key;
    }

    public function ended(): bool
    {
        return $this->ended && $this->lines === [];
    }

    /** @param array<string, mixed> $event */
    public function tell(array $event): void
    {
        // Without a gateway nobody is there to be told: the next read finds out.
        Quiet::run(fn (): int|false => fwrite($this->stream, json_encode($event + ['key' => $this->key], self::FLAGS) . "\n"));
    }

    /** In a fork: what its parent is told is not for it. */
    public function close(): void
    {
        $this->key = '';
        fclose($this->stream);
    }

    private function take(string $bytes): void
    {
        if ($bytes === '') {
            $this->ended = true;

            return;
        }
        $parts = explode("\n", $this->read . $bytes);
        $this->read = (string) array_pop($parts);
        foreach ($parts as $part) {
            $line = json_decode($part, true);
            if (!is_array($line)) {
                throw new Malformed('The gateway sent a line that is no JSON object over descriptor 3.');
            }
            $this->lines[] = $line;
        }
    }
}
