<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/**
 * The worker's connection. PHP's socket streams ask poll() before each read; the same socket as a plain file does
 * not. So it is read and written as a file, and as a socket only asked whether anything is there.
 */
final class Connection
{
    /** Two records of a large body; small ones cost no more. */
    private const READ_BYTES = 65_536;
    private const SMALL_READ_BYTES = 8192;

    /** @var resource */
    private $file;
    private int $readBytes = self::SMALL_READ_BYTES;

    /**
     * @param resource $socket
     * @param int|null $descriptor null where the system does not tell: then the socket does both
     */
    public function __construct(private $socket, ?int $descriptor)
    {
        $file = $descriptor === null ? false : @fopen("php://fd/$descriptor", 'r+');
        $this->file = $file === false ? $socket : $file;
        foreach ([$this->file, $socket] as $stream) {
            stream_set_blocking($stream, true);
            stream_set_read_buffer($stream, 0);
            stream_set_write_buffer($stream, 0);
        }
        // Of no use to a file; a socket that does both must wait as long as it takes.
        stream_set_timeout($socket, $file === false ? 365 * 86_400 : 0);
    }

    /** What is there, waiting for it; null when the connection has ended. */
    public function read(): ?string
    {
        $bytes = fread($this->file, $this->readBytes);
        if ($bytes === '' || $bytes === false) {
            return $this->readAgain();
        }
        // Where a read was full, much more is coming.
        $this->readBytes = strlen($bytes) < $this->readBytes ? self::SMALL_READ_BYTES : self::READ_BYTES;

        return $bytes;
    }

    /** What is there now; empty for nothing. An end is found by the next `read()`. */
    public function look(): string
    {
        if ($this->file === $this->socket) {
            $read = [$this->socket];
            $none = null;

            return @stream_select($read, $none, $none, 0) === 1 ? (string) @fread($this->socket, self::READ_BYTES) : '';
        }

        return (string) @fread($this->socket, self::READ_BYTES);
    }

    /** False when the gateway is gone. */
    public function write(string $bytes): bool
    {
        // Whole, or not at all: it blocks until the gateway has room.
        return @fwrite($this->file, $bytes) === strlen($bytes);
    }

    /** The gateway learns of the end now, though a process that a handler started may have a copy of the socket. */
    public function shut(): void
    {
        if (is_resource($this->socket)) {
            @stream_socket_shutdown($this->socket, STREAM_SHUT_RDWR);
        }
    }

    /** A signal came, or a handler found the stream and made it non-blocking. */
    private function readAgain(): ?string
    {
        for ($tries = 0; $tries < 100 && !feof($this->file); ++$tries) {
            stream_set_blocking($this->file, true);
            $bytes = @fread($this->file, self::READ_BYTES);
            if (is_string($bytes) && $bytes !== '') {
                return $bytes;
            }
        }

        return null;
    }
}
