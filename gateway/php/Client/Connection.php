<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\Pooling\Place;

/**
 * One connection to the gateway: a request at a time, written and read without ever waiting. To open one of a name is
 * waited for: see `open()`.
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

    /** connecting, securing, ready */
    private string $state;
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
    /** @var list<resource> of the parent of this process */
    private static array $inherited = [];
    private float $keptUntilMs = INF;
    /** In workers that run many calls at once. */
    private ?Place $place = null;

    /** @param resource $socket */
    private function __construct(
        private $socket,
        private readonly Deadline $connectDeadline,
        private readonly Options $options,
    ) {
        $this->state = $options->address->kind === 'unix' ? 'ready' : 'connecting';
    }

    /**
     * Names are connected to before this returns: of their addresses PHP tries the next one only then when one refuses,
     * as `::1` of `localhost` does where the gateway listens on 127.0.0.1.
     *
     * @param float $leftMs to the transfer that needs it
     *
     * @return self|null null: the gateway has more callers than it can take at this moment
     *
     * @throws Broken why there is none
     */
    public static function open(Options $options, float $leftMs): ?self
    {
        $address = $options->address;
        $deadline = Deadline::in($options->connectTimeoutMs);
        $flags = STREAM_CLIENT_CONNECT | ($address->kind === 'unix' || $address->isName ? 0 : STREAM_CLIENT_ASYNC_CONNECT);
        $context = stream_context_create(['ssl' => $options->tls, 'socket' => ['tcp_nodelay' => true]]);
        $seconds = max(1.0, min($options->connectTimeoutMs, $leftMs)) / 1000;
        $warnings = new Warnings();
        $socket = $warnings->during(static function () use ($address, &$number, &$text, $seconds, $flags, $context): mixed {
            return stream_socket_client($address->target, $number, $text, $seconds, $flags, $context);
        });
        if (!is_resource($socket)) {
            if ($address->kind === 'unix' && $number === self::EAGAIN) {
                return null;
            }

            throw new Broken(sprintf('Cannot connect to %s: %s.', $address->target, is_string($text) && $text !== '' ? rtrim($text, '.') : $warnings->first()));
        }
        stream_set_blocking($socket, false);
        stream_set_read_buffer($socket, 0);
        stream_set_chunk_size($socket, self::READ_BYTES);

        return new self($socket, $deadline, $options);
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
        return $this->state === 'ready';
    }

    /** It waits for bytes of TLS; one that is not ready otherwise waits to be connected. */
    public function isSecuring(): bool
    {
        return $this->state === 'securing';
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
        [$this->place, $transfer->place] = [$transfer->place ?? $this->place, null];
        $this->transfer = $transfer;
        $this->out = '';
        $this->outAt = 0;
        $this->pieces = self::bytesOf($transfer);
        $this->hasMade = false;
        $this->reader = $transfer->reader();
    }

    public function wantsRead(): bool
    {
        return $this->state === 'securing' || ($this->state === 'ready' && $this->transfer?->wantsAnswer() === true);
    }

    public function wantsWrite(): bool
    {
        return $this->state !== 'securing' && $this->transfer !== null && !$this->transfer->isSent() && !$this->isMaking && !$this->isDeaf;
    }

    /** When somebody must look at it although nothing has come. */
    public function dueAtMs(): float
    {
        $ends = $this->transfer?->endsAtMs() ?? INF;

        return $this->isReady() ? $ends : min($ends, $this->connectDeadline->atMs);
    }

    /** TLS keeps bytes where `stream_select` does not look. */
    public function mayHoldBytes(): bool
    {
        return $this->isSecure() && $this->isReady();
    }

    /** @throws Broken when the connection broke */
    public function onWritable(): void
    {
        if ($this->state === 'connecting') {
            if (stream_socket_get_name($this->socket, true) === false) {
                throw new Broken(sprintf('Cannot connect to %s: the connection was refused, or nobody is there.', $this->options->address->target));
            }
            $this->state = $this->isSecure() ? 'securing' : 'ready';
        }
        if ($this->state === 'securing' && !$this->secure()) {
            return;
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
        if ($this->state === 'securing') {
            // What it secures is to be written now, and the system is ready to take it.
            $this->onWritable();
        }
        for ($reads = 0; $this->reader !== null && !$this->reader->isDone() && $this->wantsRead(); ++$reads) {
            if ($reads === self::READS_MAX && !$this->mayHoldBytes()) {
                return;
            }
            $bytes = @fread($this->socket, self::READ_BYTES);
            if ($bytes === false || $bytes === '') {
                // After a signal, too, there is just nothing: only the end of the connection is one.
                // False is an error, such as a reset: it is no end of an answer that has no other.
                if (feof($this->socket) && ($bytes === false || !$this->reader->end())) {
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
        $this->place = null;
    }

    /** It is of the parent of this process. Closing it would end TLS for the parent, too. */
    public function leave(): void
    {
        if ($this->isSecure()) {
            self::$inherited[] = $this->socket;
            $this->transfer = $this->reader = $this->pieces = null;
        } else {
            $this->close();
        }
    }

    private function isSecure(): bool
    {
        return $this->options->address->kind === 'https';
    }

    /**
     * The handshake of TLS, as far as it goes without waiting. False: it needs more from the other side.
     *
     * @throws Broken
     */
    private function secure(): bool
    {
        $method = $this->options->tls['crypto_method'] ?? STREAM_CRYPTO_METHOD_TLS_CLIENT;
        $warnings = new Warnings();
        $done = $warnings->during(fn (): mixed => stream_socket_enable_crypto($this->socket, true, is_int($method) ? $method : STREAM_CRYPTO_METHOD_TLS_CLIENT));
        if ($done === false) {
            $why = $warnings->first();

            throw new Broken(sprintf(
                'Cannot connect to %s by TLS: %s.%s',
                $this->options->address->target,
                $why,
                str_contains($why, 'certificate verify failed') ? ' Name the authority that signed its certificate: tls: [\'cafile\' => …].' : '',
            ));
        }
        if ($done === true) {
            $this->state = 'ready';
        }

        return $this->isReady();
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
