<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Quiet;

use function feof;
use function fread;
use function fwrite;
use function intdiv;
use function strlen;
use function substr;

/**
 * The worker's connection, as two streams of PHP over one socket. PHP asks poll() before each read of a stream that
 * blocks, and gives up a write after a time. It does neither for one that does not block, and the second stream makes
 * the socket of the first block all the same: one read(2) and one write(2) for each call, for as long as they take.
 */
final class Connection implements Destination
{
    private const SMALL_READ_BYTES = 8192;
    /** A record of a large body. */
    private const READ_BYTES = 65_536;
    private const LINGER_MS = 1000;
    private const MAX_TRIES = 100;

    private int $readBytes = self::SMALL_READ_BYTES;

    /**
     * @param resource $stream
     * @param resource $second the same, where the system does not tell which descriptor it has
     */
    private function __construct(private $stream, private $second)
    {
        foreach ([$stream, $second] as $each) {
            stream_set_read_buffer($each, 0);
            stream_set_write_buffer($each, 0);
            stream_set_timeout($each, -1);
        }
        if ($second !== $stream) {
            // One that blocks, and waits for no time at all: that says whether anything is there, in 0.4 µs.
            stream_set_timeout($second, 0);
        }
        $this->block(0);
    }

    /** @param resource $socket */
    public static function of($socket, ?int $descriptor): self
    {
        $second = $descriptor === null ? null : Quiet::run(static fn (): mixed => fopen("php://fd/$descriptor", 'r+'));
        // A plain file would know nothing of how long to wait.
        if (!is_resource($second) || stream_get_meta_data($second)['stream_type'] === 'STDIO') {
            $second = $socket;
        }

        return new self($socket, $second);
    }

    /** What is there, waiting for it; null when the connection has ended. */
    public function read(): ?string
    {
        $bytes = fread($this->stream, $this->readBytes);
        if ($bytes === '' || $bytes === false) {
            return $this->readAgain();
        }
        // Where a read was full, much more is coming.
        $this->readBytes = strlen($bytes) < $this->readBytes ? self::SMALL_READ_BYTES : self::READ_BYTES;

        return $bytes;
    }

    /** The same, for at most so long; empty when nothing came. */
    public function readWithin(int $ms): ?string
    {
        if ($this->second === $this->stream) {
            $read = [$this->second];
            $none = null;
            $came = @stream_select($read, $none, $none, intdiv($ms, 1000), $ms % 1000 * 1000) === 1;

            return $came ? $this->readAgain() : '';
        }
        stream_set_timeout($this->second, intdiv($ms, 1000), $ms % 1000 * 1000);
        $bytes = @fread($this->second, $this->readBytes);
        stream_set_timeout($this->second, 0);
        if ($bytes === '' || $bytes === false) {
            return feof($this->second) ? null : '';
        }
        $this->readBytes = strlen($bytes) < $this->readBytes ? self::SMALL_READ_BYTES : self::READ_BYTES;

        return $bytes;
    }

    /** Whether the gateway is gone, for who only ever looks. */
    public function hasEnded(): bool
    {
        return $this->second !== $this->stream && feof($this->second);
    }

    /** @return resource to wait for, among others */
    public function socket()
    {
        return $this->second;
    }

    /** More may be there than a read took. */
    public function wasFull(string $bytes): bool
    {
        return strlen($bytes) === self::SMALL_READ_BYTES || strlen($bytes) === self::READ_BYTES;
    }

    /** What is there now; empty for nothing, and at the end, which the next `read()` finds. */
    public function look(): string
    {
        if ($this->second !== $this->stream) {
            return (string) @fread($this->second, self::READ_BYTES);
        }
        $read = [$this->second];
        $none = null;

        return @stream_select($read, $none, $none, 0) === 1 ? (string) @fread($this->second, self::READ_BYTES) : '';
    }

    /** False when the gateway is gone. It blocks until the gateway has room. */
    public function write(string $bytes): bool
    {
        $written = @fwrite($this->stream, $bytes);
        for ($tries = 0; $written !== strlen($bytes); ++$tries) {
            if ($written === false) {
                return false;
            }
            $this->block($tries);
            $bytes = substr($bytes, $written);
            $written = @fwrite($this->stream, $bytes);
        }

        return true;
    }

    /**
     * The gateway learns of the end now, though a process that a handler started may have a copy of the socket. What
     * it is writing at this moment is read and dropped: refused, it might end its connection without reading the answer.
     */
    public function end(): void
    {
        if (is_resource($this->second)) {
            Quiet::run($this->shutDown(...));
        }
    }

    private function shutDown(): void
    {
        @stream_socket_shutdown($this->second, STREAM_SHUT_WR);
        $untilNs = hrtime(true) + self::LINGER_MS * 1_000_000;
        do {
            $read = [$this->second];
            $none = null;
            $ready = @stream_select($read, $none, $none, 0, max(0, intdiv($untilNs - hrtime(true), 1000)));
        } while ($ready === 1 && (string) @fread($this->second, self::READ_BYTES) !== '');
        @stream_socket_shutdown($this->second, STREAM_SHUT_RDWR);
    }

    /**
     * It is the end only if there is something to be read, and it is nothing: PHP says the same of a read that a
     * signal interrupted, or that a handler made return at once.
     */
    private function readAgain(): ?string
    {
        $this->block(0);
        do {
            $read = [$this->second];
            $none = null;
            try {
                $ready = @stream_select($read, $none, $none, null);
            } catch (\Exception) {
                // The application's error handler made one of the warning that a signal came.
                $ready = 0;
            }
        } while ($ready !== 1);
        $bytes = Quiet::run(fn (): string|false => fread($this->second, self::READ_BYTES));

        return $bytes === '' || $bytes === false ? null : $bytes;
    }

    private function block(int $tries): void
    {
        if ($tries >= self::MAX_TRIES) {
            // Whatever keeps it from blocking, a core is not what it gets.
            usleep(1000);
        }
        if ($this->second !== $this->stream) {
            stream_set_blocking($this->stream, false);
        }
        stream_set_blocking($this->second, true);
    }
}
