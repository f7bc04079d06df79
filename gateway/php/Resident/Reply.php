<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Runtime;

use function pack;
use function strlen;
use function substr;

/** Answers as FastCGI records. A small one is one write: that is most of what the system costs an empty call. */
final class Reply
{
    private const HEAD = 'Content-Type: ' . Runtime::ENVELOPE_TYPE . "\r\n";
    private const STREAM_HEAD = 'Content-Type: ' . Runtime::STREAM_TYPE . "\r\n\r\n";
    private const RECORD_BYTES = 65_528;
    private const COMPLETE = "\0\x08\0\0" . "\0\0\0\0\0\0\0\0";

    /** A record is on its way, or was when a signal's handler threw or ended PHP: nothing else may be written now. */
    public bool $within = false;
    private bool $streams = false;

    public function __construct(private readonly Destination $destination)
    {
    }

    /** The whole answer. False when the gateway is gone. */
    public function envelope(string $id, string $envelope, string $payload, string $stderr): bool
    {
        $bytes = strlen($envelope) + strlen($payload);
        if ($this->streams) {
            $this->streams = false;
            $head = 'E' . pack('N', $bytes) . $envelope;
        } elseif ($bytes > Runtime::LARGE_BYTES) {
            $head = self::HEAD . "Content-Length: $bytes\r\n\r\n" . $envelope;
        } else {
            $head = self::HEAD . "\r\n" . $envelope;
        }
        $front = $stderr === '' ? '' : "\x01\x07" . $id . pack('n', strlen($stderr)) . "\0\0" . $stderr;
        $end = "\x01\x03" . $id . self::COMPLETE;
        $length = strlen($head) + strlen($payload);
        if ($length <= self::RECORD_BYTES) {
            return $this->whole($front . "\x01\x06" . $id . pack('n', $length) . "\0\0" . $head . $payload . $end);
        }

        return $this->pieces($id, $front, $head, $payload, $end);
    }

    /** One item, or bytes, of a stream. False when the gateway is gone. */
    public function frame(string $id, string $type, string $payload): bool
    {
        $head = ($this->streams ? '' : self::STREAM_HEAD) . $type . pack('N', strlen($payload));
        $this->streams = true;
        $length = strlen($head) + strlen($payload);
        if ($length <= self::RECORD_BYTES) {
            return $this->whole("\x01\x06" . $id . pack('n', $length) . "\0\0" . $head . $payload);
        }

        return $this->pieces($id, '', $head, $payload, '');
    }

    /** An answer of a stream that ended before its first piece is a stream, too. */
    public function beginStream(string $id): bool
    {
        if ($this->streams) {
            return true;
        }
        $this->streams = true;

        return $this->whole("\x01\x06" . $id . pack('n', strlen(self::STREAM_HEAD)) . "\0\0" . self::STREAM_HEAD);
    }

    /** One write, unless the gateway is slow. */
    private function whole(string $records): bool
    {
        $this->within = true;
        $written = $this->destination->write($records);
        $this->within = false;

        return $written;
    }

    /** Not put together: a payload may be as large as what memory is left. */
    private function pieces(string $id, string $front, string $head, string $payload, string $end): bool
    {
        $this->within = true;
        // A head holds logs, and may itself be larger than a record.
        foreach ([$head, $payload] as $part) {
            for ($at = 0, $bytes = strlen($part); $at < $bytes; $at += self::RECORD_BYTES) {
                $piece = substr($part, $at, self::RECORD_BYTES);
                if (!$this->destination->write($front . "\x01\x06" . $id . pack('n', strlen($piece)) . "\0\0" . $piece)) {
                    return false;
                }
                $front = '';
            }
        }
        $written = $end === '' || $this->destination->write($end);
        $this->within = false;

        return $written;
    }
}
