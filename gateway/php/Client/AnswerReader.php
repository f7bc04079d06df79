<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * Reads one HTTP/1.1 answer from bytes that come in pieces of any size.
 *
 * @internal
 */
final class AnswerReader
{
    private const MAX_HEAD_BYTES = 65_536;
    private const MAX_LINE_BYTES = 4096;

    private string $buffer = '';
    /** How much of the buffer has been read: cutting it at every chunk would copy the rest each time. */
    private int $at = 0;
    /** head, length, size, chunk, chunk-end, trailers, close, done */
    private string $state = 'head';
    /** Of the body or of the chunk. */
    private int $missing = 0;
    private int $trailerBytes = 0;
    private ?Head $head = null;

    /**
     * @param \Closure(Head): void   $onHead
     * @param \Closure(string): void $onBody
     */
    public function __construct(
        private readonly \Closure $onHead,
        private readonly \Closure $onBody,
        private readonly bool $isOfGateway = true,
        private readonly bool $hasBody = true,
    ) {
    }

    /**
     * Of a server that may answer without a length, and end the connection behind it.
     *
     * @param \Closure(Head): void   $onHead
     * @param \Closure(string): void $onBody
     */
    public static function ofAnyServer(\Closure $onHead, \Closure $onBody, string $method): self
    {
        return new self($onHead, $onBody, false, $method !== 'HEAD');
    }

    public function isDone(): bool
    {
        return $this->state === 'done';
    }

    /** Another answer may follow on this connection. */
    public function keepsConnection(): bool
    {
        $tokens = array_map(trim(...), explode(',', strtolower($this->head?->header('connection') ?? '')));

        // What follows a whole answer was not asked for.
        return $this->isDone() && $this->at === strlen($this->buffer) && $this->head?->isHttp11 === true && !in_array('close', $tokens, true);
    }

    /** For how long the other side keeps an unused connection, in seconds, as far as it says. */
    public function keepSeconds(): ?int
    {
        return preg_match('/\btimeout\s*=\s*(\d{1,6})/i', $this->head?->header('keep-alive') ?? '', $found) === 1 ? (int) $found[1] : null;
    }

    /** @throws \UnexpectedValueException what is wrong with the answer */
    public function feed(string $bytes): void
    {
        $this->buffer = $this->at === strlen($this->buffer) ? $bytes : substr($this->buffer, $this->at) . $bytes;
        $this->at = 0;
        while ($this->step()) {
        }
    }

    /** The connection has ended. False: in the middle of the answer. */
    public function end(): bool
    {
        if ($this->state === 'close') {
            $this->state = 'done';
        }

        return $this->isDone();
    }

    /** False: it needs more bytes. */
    private function step(): bool
    {
        return match ($this->state) {
            'head' => $this->readHead(),
            'length', 'chunk' => $this->readBody(),
            'size' => $this->readSize(),
            'chunk-end' => $this->readChunkEnd(),
            'trailers' => $this->readTrailer(),
            'close' => $this->readUntilClose(),
            default => false,
        };
    }

    private function readHead(): bool
    {
        $end = strpos($this->buffer, "\r\n\r\n", $this->at);
        if (($end === false ? strlen($this->buffer) : $end) - $this->at > self::MAX_HEAD_BYTES) {
            throw new \UnexpectedValueException(sprintf('its head is larger than %d bytes', self::MAX_HEAD_BYTES));
        }
        // Garbage without a line break would be waited for until the time limit.
        $begin = substr($this->buffer, $this->at, 7);
        if (!str_starts_with('HTTP/1.', $begin)) {
            throw new \UnexpectedValueException(sprintf('it does not begin as HTTP/1.1 does, but with "%s"', self::shown(substr($this->buffer, $this->at, 60))));
        }
        if ($end === false) {
            return false;
        }
        $head = self::parseHead(substr($this->buffer, $this->at, $end - $this->at));
        $this->at = $end + 4;
        if ($head->status === 101) {
            throw new \UnexpectedValueException('it changes the protocol (101), which nobody asked for');
        }
        if ($head->status < 200) {
            return true;
        }
        $this->head = $head;
        $this->state = $this->bodyState($head);
        ($this->onHead)($head);
        // A proxy that speaks HTTP/1.0 may do so, the gateway and HTTP/1.1 do not.
        if ($this->isOfGateway && $this->state === 'close' && $head->isHttp11 && $head->isSuccess()) {
            throw new \UnexpectedValueException('it has neither a length nor chunks, so that a cut would look like its end');
        }

        return true;
    }

    private static function parseHead(string $text): Head
    {
        $lines = explode("\r\n", $text);
        if (preg_match('~^HTTP/1\.([01]) ([1-9]\d\d)(?: .*)?$~Ds', array_shift($lines), $found) !== 1) {
            throw new \UnexpectedValueException(sprintf('its first line is "%s"', self::shown($text)));
        }
        $headers = [];
        foreach ($lines as $line) {
            if (preg_match('/^([!#$%&\'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/Ds', $line, $parts) !== 1 || preg_match('/[\0\r\n]/', $line) === 1) {
                throw new \UnexpectedValueException(sprintf('it has the malformed header "%s"', self::shown($line)));
            }
            $name = strtolower($parts[1]);
            $headers[$name] = isset($headers[$name]) ? "$headers[$name], $parts[2]" : $parts[2];
        }

        return new Head((int) $found[2], $found[1] === '1', $headers);
    }

    private function bodyState(Head $head): string
    {
        $coding = strtolower($head->header('transfer-encoding'));
        $length = $head->header('content-length');
        if ($head->status === 204 || $head->status === 304 || !$this->hasBody) {
            return 'done';
        }
        if ($coding !== '') {
            // Two answers to where it ends: somebody in between may have taken the other one.
            return $coding === 'chunked' && $length === '' ? 'size' : throw new \UnexpectedValueException(sprintf('its transfer-encoding is "%s", its content-length "%s"', self::shown($coding), self::shown($length)));
        }
        if ($length === '') {
            return 'close';
        }
        if (preg_match('/^\d{1,15}$/D', $length) !== 1) {
            throw new \UnexpectedValueException(sprintf('its content-length is "%s"', self::shown($length)));
        }
        $this->missing = (int) $length;

        return $this->missing === 0 ? 'done' : 'length';
    }

    private function readBody(): bool
    {
        $piece = substr($this->buffer, $this->at, $this->missing);
        if ($piece === '') {
            return false;
        }
        $this->at += strlen($piece);
        $this->missing -= strlen($piece);
        if ($this->missing === 0) {
            $this->state = $this->state === 'length' ? 'done' : 'chunk-end';
        }
        ($this->onBody)($piece);

        return true;
    }

    private function readSize(): bool
    {
        $line = $this->takeLine();
        if ($line === null) {
            return false;
        }
        if (preg_match('/^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/Ds', $line, $found) !== 1) {
            throw new \UnexpectedValueException(sprintf('it has a chunk of the size "%s"', self::shown($line)));
        }
        $this->missing = (int) hexdec($found[1]);
        $this->state = $this->missing === 0 ? 'trailers' : 'chunk';

        return true;
    }

    private function readChunkEnd(): bool
    {
        $end = substr($this->buffer, $this->at, 2);
        if (strlen($end) < 2) {
            return false;
        }
        if ($end !== "\r\n") {
            throw new \UnexpectedValueException('a chunk is longer than its size says');
        }
        $this->at += 2;
        $this->state = 'size';

        return true;
    }

    /** Nothing in them is of use here. */
    private function readTrailer(): bool
    {
        $line = $this->takeLine();
        if ($line === null) {
            return false;
        }
        $this->trailerBytes += strlen($line) + 2;
        if ($this->trailerBytes > self::MAX_HEAD_BYTES) {
            throw new \UnexpectedValueException(sprintf('its trailers are larger than %d bytes', self::MAX_HEAD_BYTES));
        }
        if ($line === '') {
            $this->state = 'done';
        }

        return true;
    }

    private function readUntilClose(): bool
    {
        $piece = substr($this->buffer, $this->at);
        $this->at = strlen($this->buffer);
        if ($piece !== '') {
            ($this->onBody)($piece);
        }

        return false;
    }

    private function takeLine(): ?string
    {
        $end = strpos($this->buffer, "\r\n", $this->at);
        if (($end === false ? strlen($this->buffer) : $end) - $this->at > self::MAX_LINE_BYTES) {
            throw new \UnexpectedValueException(sprintf('a line between its chunks is longer than %d bytes', self::MAX_LINE_BYTES));
        }
        if ($end === false) {
            return null;
        }
        $line = substr($this->buffer, $this->at, $end - $this->at);
        $this->at = $end + 2;

        return $line;
    }

    private static function shown(string $text): string
    {
        return addcslashes(substr($text, 0, 60), "\0..\37\"\177..\377");
    }
}
