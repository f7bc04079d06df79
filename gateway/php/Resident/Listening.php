<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Quiet;

/** The socket of one worker, until the one connection of its life has come. */
final class Listening
{
    /** The gateway connects at once. One that died in between would leave this process for ever. */
    private const WAIT_S = 60.0;

    /** @param resource $stream */
    private function __construct(private $stream, public readonly string $path)
    {
    }

    public static function at(string $path): self
    {
        // The gateway and this user only: no moment in which others could connect.
        $umask = umask(0177);
        $stream = Quiet::run(static function () use ($path, &$code, &$message): mixed {
            return stream_socket_server("unix://$path", $code, $message);
        });
        umask($umask);
        if (!is_resource($stream)) {
            throw new \RuntimeException(sprintf('The worker cannot listen at %s: %s.', $path, $message));
        }

        return new self($stream, $path);
    }

    /** Null when nobody came. */
    public function accept(): ?Connection
    {
        $before = OpenFiles::sockets();
        $stream = Quiet::run(fn (): mixed => stream_socket_accept($this->stream, self::WAIT_S));
        $this->close();
        Quiet::run(fn (): bool => unlink($this->path));
        if (!is_resource($stream)) {
            return null;
        }
        $added = array_keys(array_diff_key(OpenFiles::sockets(), $before));

        return Connection::of($stream, count($added) === 1 ? $added[0] : null);
    }

    public function close(): void
    {
        fclose($this->stream);
    }
}
