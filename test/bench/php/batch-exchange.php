<?php

/** One `POST /batch` over a socket, as lean as PHP can: NDJSON in chunks there, lines back. */

declare(strict_types=1);

final class BatchExchange
{
    private const READ_BYTES = 65_536;
    private const WAIT_SECONDS = 60;

    /** @var resource */
    private $socket;
    private string $unsent;
    /** Of the answer, as it came. */
    private string $raw = '';
    /** Of the chunk that is being read; its end is two bytes more. */
    private int $chunkLeft = 0;
    private bool $isOver = false;
    /** Of the line that is being read. */
    private string $line = '';

    /** @param Generator<int, string> $pieces of the body */
    public function __construct(int $port, string $target, private readonly Generator $pieces)
    {
        $socket = stream_socket_client("tcp://127.0.0.1:{$port}", $code, $message, 5);
        if ($socket === false) {
            throw new RuntimeException("cannot connect to port {$port}: {$message}");
        }
        stream_set_blocking($socket, false);
        // PHP reads 8 KiB at once otherwise.
        stream_set_chunk_size($socket, self::READ_BYTES);
        $this->socket = $socket;
        $this->unsent = "POST {$target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n"
            . "Transfer-Encoding: chunked\r\n\r\n";
    }

    /** All of the request is sent before anything of the answer is read. */
    public function sendAll(): void
    {
        while ($this->hasUnsent()) {
            $this->waitFor(false);
            $this->write();
        }
    }

    /** @return Generator<float, string> when a line came => the line */
    public function lines(): Generator
    {
        $this->readHead();
        yield from $this->take(microtime(true));
        while (!$this->isOver) {
            [$canRead, $canWrite] = $this->waitFor(true);
            if ($canRead) {
                $bytes = $this->read();
                $atS = microtime(true);
                $this->raw .= $bytes;
                yield from $this->take($atS);
            }
            if ($canWrite) {
                $this->write();
            }
        }
        fclose($this->socket);
    }

    private function readHead(): void
    {
        while (($end = strpos($this->raw, "\r\n\r\n")) === false) {
            [$canRead, $canWrite] = $this->waitFor(true);
            if ($canRead) {
                $this->raw .= $this->read();
            }
            if ($canWrite) {
                $this->write();
            }
        }
        if (!str_starts_with($this->raw, 'HTTP/1.1 200 ') || stripos($this->raw, "\r\ntransfer-encoding: chunked") === false) {
            throw new RuntimeException('it answered ' . substr($this->raw, 0, 200));
        }
        $this->raw = substr($this->raw, $end + 4);
    }

    private function hasUnsent(): bool
    {
        while ($this->unsent === '' && $this->pieces->valid()) {
            $piece = $this->pieces->current();
            $this->pieces->next();
            $this->unsent = dechex(strlen($piece)) . "\r\n{$piece}\r\n" . ($this->pieces->valid() ? '' : "0\r\n\r\n");
        }

        return $this->unsent !== '';
    }

    private function write(): void
    {
        $written = fwrite($this->socket, $this->unsent);
        if ($written === false) {
            throw new RuntimeException('the gateway took no more of the batch');
        }
        $this->unsent = substr($this->unsent, $written);
    }

    private function read(): string
    {
        $bytes = fread($this->socket, self::READ_BYTES);
        if ($bytes === false || ($bytes === '' && feof($this->socket))) {
            throw new RuntimeException('the answer broke off');
        }

        return $bytes;
    }

    /** @return array{bool, bool} whether it can be read and written */
    private function waitFor(bool $reads): array
    {
        $read = $reads ? [$this->socket] : null;
        $write = $this->hasUnsent() ? [$this->socket] : null;
        $none = null;
        if (stream_select($read, $write, $none, self::WAIT_SECONDS) < 1) {
            throw new RuntimeException('nothing moved for ' . self::WAIT_SECONDS . ' s');
        }

        return [(bool) $read, (bool) $write];
    }

    /** @return Generator<float, string> */
    private function take(float $atS): Generator
    {
        $lines = explode("\n", $this->line . $this->content());
        $this->line = array_pop($lines);
        foreach ($lines as $line) {
            yield $atS => $line;
        }
    }

    /** What the chunks that are there hold. */
    private function content(): string
    {
        $content = '';
        $at = 0;
        $length = strlen($this->raw);
        while ($at < $length) {
            if ($this->chunkLeft > 0) {
                // The two bytes behind a chunk belong to no line.
                $content .= substr($this->raw, $at, max(0, $this->chunkLeft - 2));
                $taken = min($this->chunkLeft, $length - $at);
                $this->chunkLeft -= $taken;
                $at += $taken;
                continue;
            }
            $end = strpos($this->raw, "\r\n", $at);
            if ($end === false) {
                break;
            }
            $size = (int) hexdec(substr($this->raw, $at, $end - $at));
            $this->isOver = $size === 0;
            $this->chunkLeft = $size + 2;
            $at = $end + 2;
        }
        $this->raw = substr($this->raw, $at);

        return $content;
    }
}

/**
 * @param callable(int): array<string, mixed> $item
 *
 * @return Generator<int, string> lines, some at a time
 */
function pieces(int $items, callable $item): Generator
{
    for ($from = 0; $from < $items; $from += 100) {
        $piece = '';
        for ($at = $from; $at < min($from + 100, $items); ++$at) {
            $piece .= json_encode($item($at)) . "\n";
        }
        yield $piece;
    }
}
