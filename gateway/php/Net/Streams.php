<?php

declare(strict_types=1);

namespace FpmGateway\Net;

use FpmGateway\Client\Broken;
use FpmGateway\Client\Connection;
use FpmGateway\Client\Deadline;
use FpmGateway\Client\Options;
use FpmGateway\Pooling\Place;
use FpmGateway\Pooling\Sockets;
use FpmGateway\StreamFailed;
use FpmGateway\Wait;

/**
 * Streams for handlers that speak a protocol themselves: opened, read and written without keeping other calls waiting.
 *
 * @internal
 */
final class Streams
{
    private const BUSY_MS = 5.0;
    private const WRITE_BYTES = 262_144;

    /**
     * @return resource
     *
     * @throws StreamFailed
     * @throws \InvalidArgumentException
     */
    public static function connect(string $target, Deadline $deadline)
    {
        [$addresses, $tls] = self::parse($target);
        $place = null;
        if (Wait::$scheduler !== null) {
            $place = Sockets::take($deadline) ?? throw new StreamFailed("connect to $target: its time was over while it waited in line: " . Sockets::why(), true);
        }
        $broken = null;
        foreach ($addresses as $address) {
            try {
                return self::open($target, $address, $tls, $deadline, $place);
            } catch (Broken $broken) {
                // Of several addresses the next may be alive.
            }
        }

        throw new StreamFailed("connect to $target: " . ($broken?->getMessage() ?? 'it has no address.'), $deadline->leftMs() <= 0, $broken);
    }

    /**
     * @param resource $stream
     *
     * @throws StreamFailed
     */
    public static function read($stream, int $bytes, Deadline $deadline): string
    {
        Options::assertWithin('bytes', $bytes, 1, PHP_INT_MAX);
        self::assertOpen($stream, 'read from');
        stream_set_blocking($stream, false);
        while (true) {
            // First, as TLS and PHP hold bytes where nobody can wait for them.
            $read = @fread($stream, $bytes);
            if ($read !== false && $read !== '') {
                return $read;
            }
            if (feof($stream)) {
                return '';
            }
            self::wait([$stream], [], $deadline, 'read: nothing came in time.');
        }
    }

    /**
     * @param resource $stream
     *
     * @throws StreamFailed
     */
    public static function write($stream, string $bytes, Deadline $deadline): void
    {
        self::assertOpen($stream, 'write to');
        stream_set_blocking($stream, false);
        for ($at = 0, $length = strlen($bytes); $at < $length;) {
            error_clear_last();
            $written = @fwrite($stream, $at === 0 && $length <= self::WRITE_BYTES ? $bytes : substr($bytes, $at, self::WRITE_BYTES));
            if ($written === false || ($written === 0 && error_get_last() !== null)) {
                throw new StreamFailed(sprintf('write: the other side reads no more; %d of %d bytes are written.', $at, $length), false);
            }
            $at += $written;
            if ($at < $length) {
                self::wait([], [$stream], $deadline, sprintf('write: only %d of %d bytes were taken in time.', $at, $length));
            }
        }
    }

    /** @param array<string, mixed> $tls @return resource */
    private static function open(string $target, string $address, array $tls, Deadline $deadline, ?Place $place)
    {
        $options = Options::once($address, $tls, 1, $deadline);
        while (($connection = Connection::open($options, $deadline->leftMs())) === null) {
            if ($deadline->leftMs() <= 0) {
                throw new Broken('it takes no more connections at this moment.');
            }
            Wait::sleep(self::BUSY_MS);
        }
        $stream = $connection->socket();
        try {
            while (!$connection->isReady()) {
                $isSecuring = $connection->isSecuring();
                self::wait($isSecuring ? [$stream] : [], $isSecuring ? [] : [$stream], $deadline, "connect to $target: it took too long.");
                $connection->onWritable();
            }
        } catch (\Throwable $thrown) {
            $connection->close();

            throw $thrown;
        }
        // PHP's own buffer would read ahead; reading line by line with fgets() is quicker with it.
        stream_set_read_buffer($stream, 8192);
        if ($place !== null) {
            Sockets::keep($stream, $place);
        }

        return $stream;
    }

    /** @return array{list<string>, array<string, mixed>} addresses as for clients, and TLS options */
    private static function parse(string $target): array
    {
        if (str_starts_with($target, 'unix:///')) {
            return [['unix:' . substr($target, 7)], []];
        }
        $parts = parse_url($target);
        if (!is_array($parts) || !in_array($parts['scheme'] ?? '', ['tcp', 'tls'], true) || !isset($parts['host'], $parts['port']) || array_diff_key($parts, ['scheme' => 0, 'host' => 0, 'port' => 0]) !== []) {
            throw new \InvalidArgumentException(sprintf('"%s" cannot be connected to: use tcp://host:port, tls://host:port or unix:///path.', addcslashes(substr($target, 0, 200), "\0..\37\177")));
        }
        $scheme = $parts['scheme'] === 'tls' ? 'https' : 'http';
        $addresses = array_map(static fn (string $address): string => "$scheme://$address:$parts[port]", Names::addresses($parts['host']));

        return [$addresses, $scheme === 'https' ? ['peer_name' => $parts['host']] : []];
    }

    /**
     * @param list<resource> $read
     * @param list<resource> $write
     */
    private static function wait(array $read, array $write, Deadline $deadline, string $late): void
    {
        $leftMs = $deadline->leftMs();
        if ($leftMs <= 0) {
            throw new StreamFailed($late, true);
        }
        try {
            Wait::select($read, $write, $leftMs);
        } catch (Broken $cannotWait) {
            throw new StreamFailed($cannotWait->getMessage(), false, $cannotWait);
        }
    }

    private static function assertOpen(mixed $stream, string $what): void
    {
        if (!is_resource($stream)) {
            throw new StreamFailed(sprintf('%s the stream: it is closed, or none.', ucfirst($what)), false);
        }
    }
}
