<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Fibers\Live;

use function ord;
use function strlen;
use function substr;
use function unpack;

/**
 * Bytes from the gateway → requests, in the order in which they became complete. Ids stay the two bytes they are on
 * the wire: nothing is ever counted with them.
 *
 * A small request that came in one piece has always the same layout, and is found by comparing strings: 2 µs instead
 * of 8 for a walk through its records.
 */
final class Requests
{
    private const BEGIN = 1;
    private const ABORT = 2;
    private const PARAMS = 4;
    private const STDIN = 5;
    private const GET_VALUES = 9;
    /** FastCGI's own end at 11. */
    private const ANSWER = 14;
    private const PAUSE = 15;
    private const RESUME = 16;
    /** Behind the id of a BEGIN_REQUEST: its length, responder, keep the connection; and the start of PARAMS. */
    private const HEAD = "\0\x08\0\0" . "\0\x01\x01\0\0\0\0\0" . "\x01\x04";
    private const PONG = "\x01\x0A\0\0\0\0\0\0";
    private const OVERLOADED = "\0\x08\0\0" . "\0\0\0\0\x02\0\0\0";

    /** Complete, not yet begun. @var array<array-key, Request> by id */
    public array $queue = [];
    /** To be written before anything else is done: confirmations and answers to pings. */
    public string $replies = '';
    private string $rest = '';
    /** @var array<array-key, Arriving> by id */
    private array $arriving = [];

    /** @param Live|null $live the calls that run, where many do at once */
    public function __construct(private readonly string $uploads, private readonly ?Live $live)
    {
    }

    public function push(string $bytes): void
    {
        if ($this->rest !== '') {
            $bytes = $this->rest . $bytes;
            $this->rest = '';
        }
        $end = strlen($bytes);
        $at = 0;
        while ($at + 8 <= $end) {
            $behind = $this->whole($bytes, $at, $end);
            if ($behind === 0) {
                $behind = $this->record($bytes, $at, $end);
                if ($behind === 0) {
                    break;
                }
            }
            $at = $behind;
        }
        if ($at < $end) {
            $this->rest = $at === 0 ? $bytes : substr($bytes, $at);
        }
    }

    /** The confirmation that a call never began. */
    public static function neverBegan(string $id): string
    {
        return "\x01\x03" . $id . self::OVERLOADED;
    }

    /** At the worker's end: what is still to be written, and that those which have not begun never will. */
    public function last(Connection $connection): string
    {
        try {
            $this->push($connection->look());
        } catch (\Throwable) {
            // It is the end in any case.
        }
        $bytes = $this->replies;
        foreach ($this->queue as $request) {
            $bytes .= self::neverBegan($request->id);
        }

        return $bytes;
    }

    /** What came of requests that will not be served: their files are removed. */
    public function drop(): void
    {
        foreach ($this->queue as $request) {
            $request->uploads?->remove();
        }
        foreach ($this->arriving as $arriving) {
            $arriving->uploads?->remove();
        }
        $this->queue = $this->arriving = [];
    }

    /** The offset behind a request of the usual layout; 0 where it is not one, or not whole. */
    private function whole(string $bytes, int $at, int $end): int
    {
        // BEGIN_REQUEST, PARAMS, the end of PARAMS, and the end of STDIN take 48 bytes.
        if ($at + 48 > $end || substr($bytes, $at + 4, 14) !== self::HEAD) {
            return 0;
        }
        $id = substr($bytes, $at + 2, 2);
        $params = unpack('n', $bytes, $at + 20)[1];
        $stdin = $at + 32 + $params;
        if ($stdin + 8 > $end || substr($bytes, $stdin - 8, 12) !== "\x01\x04$id\0\0\0\0\x01\x05$id") {
            return 0;
        }
        $length = unpack('n', $bytes, $stdin + 4)[1];
        $behind = $stdin + 8;
        if ($length > 0) {
            $behind += $length + 8;
            // One record of STDIN, and its end.
            if ($behind > $end || substr($bytes, $behind - 8, 8) !== "\x01\x05$id\0\0\0\0") {
                return 0;
            }
        }
        // One parameter before the length of the body, which the records tell by themselves.
        $first = ord($bytes[$at + 25]);
        $value = $at + 26 + 9;
        if ($first >= 128) {
            $first = unpack('N', $bytes, $at + 25)[1] & 0x7FFF_FFFF;
            $value += 3;
        }
        $left = $at + 24 + $params - $value - $first;
        if (
            $bytes[$at + 24] !== "\x09" || substr($bytes, $value - 9, 9) !== 'FPMG_CALL' || $left < 0
            || ($left > 0 && ($left !== 16 + ord($bytes[$value + $first + 1]) || substr($bytes, $value + $first + 2, 14) !== 'CONTENT_LENGTH'))
            || $bytes[$at + 22] !== "\0" || $bytes[$stdin + 6] !== "\0"
            || isset($this->queue[$id]) || isset($this->arriving[$id]) || ($this->live !== null && $this->live->has($id))
        ) {
            return 0;
        }
        $this->queue[$id] = new Request($id, substr($bytes, $value, $first), $length > 0 ? substr($bytes, $stdin + 8, $length) : '', null);

        return $behind;
    }

    /** The offset behind one record; 0 when it is not whole. */
    private function record(string $bytes, int $at, int $end): int
    {
        ['version' => $version, 'type' => $type, 'length' => $length, 'padding' => $padding]
            = unpack('Cversion/Ctype/nid/nlength/Cpadding', $bytes, $at);
        if ($version !== 1) {
            throw new Malformed(sprintf('a FastCGI record of version %d instead of 1', $version));
        }
        $behind = $at + 8 + $length + $padding;
        if ($behind > $end) {
            return 0;
        }
        $id = substr($bytes, $at + 2, 2);
        if ($type === self::GET_VALUES) {
            $this->replies .= self::PONG;

            return $behind;
        }
        $content = substr($bytes, $at + 8, $length);
        if ($type === self::BEGIN) {
            $this->begin($id, $content);
        } elseif ($type === self::ABORT) {
            $this->abort($id);
        } elseif ($type !== self::PARAMS && $type !== self::STDIN) {
            $this->concerning($type, $id, $content);
        } elseif (isset($this->arriving[$id])) {
            // Those of other ids belong to a request that was aborted.
            $request = $this->arriving[$id]->take($type === self::STDIN, $content, $this->uploads);
            if ($request !== null) {
                unset($this->arriving[$id]);
                $this->queue[$id] = $request;
            }
        }

        return $behind;
    }

    /** Of a call that runs. */
    private function concerning(int $type, string $id, string $content): void
    {
        if ($this->live !== null && $type === self::ANSWER) {
            $this->live->answer($id, $content);
        } elseif ($this->live !== null && ($type === self::PAUSE || $type === self::RESUME)) {
            $this->live->pause($id, $type === self::PAUSE);
        } else {
            throw new Malformed(sprintf('a FastCGI record of type %d', $type));
        }
    }

    private function begin(string $id, string $content): void
    {
        if (strlen($content) !== 8 || substr($content, 0, 2) !== "\0\x01" || $id === "\0\0") {
            throw new Malformed('a FastCGI BEGIN_REQUEST that asks for no responder');
        }
        if (isset($this->arriving[$id]) || isset($this->queue[$id]) || $this->live?->has($id) === true) {
            throw new Malformed(sprintf('two FastCGI requests with the id %d', unpack('n', $id)[1]));
        }
        $this->arriving[$id] = new Arriving($id);
    }

    private function abort(string $id): void
    {
        $request = $this->queue[$id] ?? $this->arriving[$id] ?? null;
        if ($request === null) {
            $this->live?->abort($id);

            return;
        }
        $request->uploads?->remove();
        unset($this->queue[$id], $this->arriving[$id]);
        $this->replies .= self::neverBegan($id);
    }
}
