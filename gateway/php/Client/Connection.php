<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * One connection to the gateway: a request at a time, written and read without ever waiting.
 *
 * @internal
 */
final class Connection
{
    private const PIECE_BYTES = 262_144;
    private const READ_BYTES = 65_536;
    /** Of one connection in one turn, so that a fast one does not keep the others waiting. */
    private const READS_MAX = 16;
    private const EAGAIN = 11;
    private const LAST = 'last';

    private bool $isConnecting;
    private ?Transfer $transfer = null;
    private ?AnswerReader $reader = null;
    private string $out = '';
    private int $outAt = 0;
    /** @var \Generator<int|string, string>|null */
    private ?\Generator $pieces = null;
    private bool $hasMade = false;
    /** A piece is being made by code of the application, which may come back here. */
    private bool $isMaking = false;
    /** The other side reads no more. What it said before, such as why, is still to be heard. */
    private bool $isDeaf = false;
    private bool $isReused = false;
    private int $readBytes = 0;
    private float $keptUntilMs = INF;

    /** @param resource $socket */
    private function __construct(
        private $socket,
        private readonly Deadline $connectDeadline,
        private readonly string $kind,
    ) {
        $this->isConnecting = $kind === 'http';
    }

    /** Null: the gateway has more callers than it can take at this moment. @throws Broken why there is none */
    public static function open(Options $options): ?self
    {
        $address = $options->address;
        $deadline = Deadline::in($options->connectTimeoutMs);
        $flags = STREAM_CLIENT_CONNECT | ($address->kind === 'http' ? STREAM_CLIENT_ASYNC_CONNECT : 0);
        $context = stream_context_create(['ssl' => $options->tls, 'socket' => ['tcp_nodelay' => true]]);
        error_clear_last();
        $socket = @stream_socket_client($address->target, $number, $text, $options->connectTimeoutMs / 1000, $flags, $context);
        if ($socket === false) {
            if ($address->kind === 'unix' && $number === self::EAGAIN) {
                return null;
            }
            $why = $text !== '' ? $text : preg_replace('/^stream_socket_client\(\): /', '', error_get_last()['message'] ?? 'no reason is known');

            throw new Broken(sprintf('Cannot connect to %s: %s.', $address->target, rtrim((string) $why, '.')));
        }
        stream_set_blocking($socket, false);
        stream_set_read_buffer($socket, 0);
        stream_set_chunk_size($socket, self::READ_BYTES);

        return new self($socket, $deadline, $address->kind);
    }

    /** @return resource */
    public function socket()
    {
        return $this->socket;
    }

    public function transfer(): ?Transfer
    {
        return $this->transfer;
    }

    public function isReady(): bool
    {
        return !$this->isConnecting;
    }

    /** Since it was opened. */
    public function readBytes(): int
    {
        return $this->readBytes;
    }

    public function isReused(): bool
    {
        return $this->isReused;
    }

    public function begin(Transfer $transfer): void
    {
        $this->transfer = $transfer;
        $this->out = '';
        $this->outAt = 0;
        $this->pieces = self::bytesOf($transfer);
        $this->hasMade = false;
        $this->reader = new AnswerReader($transfer->takeHead(...), $transfer->onBody(...));
    }

    public function wantsRead(): bool
    {
        return !$this->isConnecting && $this->transfer?->wantsAnswer() === true;
    }

    public function wantsWrite(): bool
    {
        return $this->transfer !== null && !$this->transfer->isSent() && !$this->isMaking && !$this->isDeaf;
    }

    /** When somebody must look at it although nothing has come. */
    public function dueAtMs(): float
    {
        $ends = $this->transfer?->endsAtMs() ?? INF;

        return $this->isConnecting ? min($ends, $this->connectDeadline->atMs) : $ends;
    }

    /** TLS keeps bytes where `stream_select` does not look. */
    public function mayHoldBytes(): bool
    {
        return $this->kind === 'https';
    }

    /** @throws Broken when the connection broke */
    public function onWritable(): void
    {
        if ($this->isConnecting) {
            if (stream_socket_get_name($this->socket, true) === false) {
                throw new Broken('Cannot connect: the connection was refused, or nobody is there.');
            }
            $this->isConnecting = false;
        }
        while ($this->fill()) {
            $written = @fwrite($this->socket, $this->outAt === 0 && strlen($this->out) <= self::PIECE_BYTES ? $this->out : substr($this->out, $this->outAt, self::PIECE_BYTES));
            if ($written === false) {
                $this->isDeaf = true;

                return;
            }
            $this->outAt += $written;
            if ($this->outAt < strlen($this->out)) {
                return;
            }
            if ($this->pieces?->key() === self::LAST) {
                $this->transfer?->sent();
            }
            // Behind each piece that the application makes it is time to look for answers.
            if ($this->transfer?->request->body->isMadeSlowly() === true) {
                return;
            }
        }
    }

    /** @throws Broken when the connection broke @throws CallFailed */
    public function onReadable(): void
    {
        for ($reads = 0; $this->reader !== null && !$this->reader->isDone() && $this->wantsRead(); ++$reads) {
            if ($reads === self::READS_MAX && !$this->mayHoldBytes()) {
                return;
            }
            $bytes = @fread($this->socket, self::READ_BYTES);
            if ($bytes === false || $bytes === '') {
                // After a signal, too, there is just nothing: only the end of the connection is one.
                if (feof($this->socket) && !$this->reader->end()) {
                    throw new Broken($this->transfer?->executed() === 'yes' ? 'The connection broke in the middle of the answer.' : 'The connection broke before the answer.');
                }

                return;
            }
            $this->readBytes += strlen($bytes);
            $this->transfer?->answered();
            try {
                $this->reader->feed($bytes);
            } catch (\UnexpectedValueException $malformed) {
                throw $this->transfer?->failure('bad-answer', sprintf('The answer is no HTTP/1.1: %s.', $malformed->getMessage()), $malformed) ?? $malformed;
            }
        }
    }

    public function hasAnswer(): bool
    {
        return $this->reader?->isDone() === true;
    }

    /** Ends its part in the transfer. True: another may follow. */
    public function release(): bool
    {
        $seconds = $this->reader?->keepSeconds();
        // A request may meet the closing half way: half of the time is never late.
        $this->keptUntilMs = $seconds === null ? INF : Deadline::nowMs() + $seconds * 500;
        $keeps = $this->transfer?->isSent() === true && $this->reader?->keepsConnection() === true;
        $this->transfer = $this->reader = $this->pieces = null;
        $this->out = '';
        $this->isReused = true;

        return $keeps;
    }

    /** For a kept one: nothing has come, not even its end. */
    public function isAlive(): bool
    {
        return Deadline::nowMs() < $this->keptUntilMs && @fread($this->socket, 1) === '' && !feof($this->socket);
    }

    public function close(): void
    {
        $this->transfer = $this->reader = $this->pieces = null;
        if (is_resource($this->socket)) {
            fclose($this->socket);
        }
    }

    /** Sees to it that there is something to write. False: all is written, or nothing can be made now. */
    private function fill(): bool
    {
        if ($this->outAt < strlen($this->out)) {
            return true;
        }
        $transfer = $this->transfer;
        $pieces = $this->pieces;
        if ($transfer === null || $pieces === null || !$this->wantsWrite()) {
            return false;
        }
        $this->isMaking = true;
        try {
            if ($this->hasMade) {
                $pieces->next();
            }
            $this->hasMade = true;
            $piece = $pieces->valid() ? $pieces->current() : '';
        } finally {
            $this->isMaking = false;
        }
        // What the application did for this piece may have ended all of it.
        if ($this->transfer !== $transfer) {
            return false;
        }
        [$this->out, $this->outAt] = [$piece, 0];
        if ($piece === '') {
            $transfer->sent();
        }

        return $piece !== '';
    }

    /**
     * A generator, so that the head is made when it is written and says how much time is left then.
     *
     * @return \Generator<int|string, string> with the key LAST what ends a body whose length is not known
     */
    private static function bytesOf(Transfer $transfer): \Generator
    {
        $body = $transfer->request->body;
        $before = $transfer->head();
        foreach ($body->begin() as $piece) {
            yield $before . ($body->length === null ? dechex(strlen($piece)) . "\r\n$piece\r\n" : $piece);
            $before = '';
        }
        if ($body->length === null) {
            yield self::LAST => "{$before}0\r\n\r\n";
        } elseif ($before !== '') {
            yield $before;
        }
    }
}
