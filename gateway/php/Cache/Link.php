<?php

declare(strict_types=1);

namespace FpmGateway\Cache;

use FpmGateway\Call;
use FpmGateway\Wait;

/**
 * The connection of this worker to the gateway's cache: one request, one answer. Under php-fpm it outlives the request
 * (a persistent stream); in a process that lives long it is kept by `Cache`.
 *
 * A call that ended in the middle of an answer leaves the rest of it in the stream, for whoever comes next. Each request
 * has a number that no other one of this machine ever had on this stream, the answer repeats it, and one with another
 * number ends the connection.
 *
 * @internal
 */
final class Link implements Way
{
    private const CONNECT_TIMEOUT_S = 1.0;
    private const ANSWER_TIMEOUT_MS = 2000;
    /** A gateway that does not answer must not cost each of a hundred look-ups its time limit. */
    private const GONE_NS = 1_000_000_000;
    private const READ_BYTES = 8192;
    private const READ_MAX_BYTES = 262_144;
    /** `getAll` writes all requests before it reads: they must fit into a socket that nobody reads yet. */
    private const AHEAD_BYTES = 16_384;
    private const FRESH = 0x80;
    private const HEAD_BYTES = 10;

    /** @var resource|null */
    private $socket = null;
    private int $pid = 0;
    private int $number;
    private int $fresh = self::FRESH;
    /** What the call before was making, it makes no more: a resident worker's connection serves many. */
    private int $call = 0;
    /** A request was written whose answer is not read. */
    private bool $isAsking = false;
    private int $goneUntilNs = 0;
    /** Why the last connection was given up. */
    private string $why = '';
    private float $timeoutMs = self::ANSWER_TIMEOUT_MS;
    /** Because it took too long. */
    private bool $isLate = false;

    /**
     * @param string $target    `unix:///path`
     * @param bool   $isOfMany  one of several in a worker that runs many calls at once: waiting suspends the call
     */
    public function __construct(private readonly string $target, private readonly bool $isOfMany = false)
    {
        // Numbers go up by less than one each nanosecond: no earlier request had one as high.
        $this->number = hrtime(true);
    }

    public function __destruct()
    {
        // One that outlives the request is kept, unless an answer is still to come.
        if ($this->isAsking && $this->pid === getmypid()) {
            $this->close();
        }
    }

    public function ask(int $command, int $keyBytes, string $behind, bool $repeats, float $patienceMs = 0.0): string
    {
        // Also where a bootstrap made this before there were calls.
        if (Wait::$scheduler !== null && !$this->isOfMany) {
            return Links::to($this->target)->ask($command, $keyBytes, $behind, $repeats, $patienceMs);
        }
        $number = pack('P', ++$this->number);
        $call = Call::running();
        if ($call !== $this->call) {
            $this->call = $call;
            $this->fresh = self::FRESH;
        }
        for ($isLast = false;; $isLast = true) {
            $socket = $this->socket($repeats);
            $request = pack('V', self::HEAD_BYTES + \strlen($behind)) . $number . \chr($command | $this->fresh) . \chr($keyBytes) . $behind;
            $this->isAsking = true;
            $this->why = 'it does not take requests';
            // What was not written to its end is not carried out: the gateway is not there, or was started anew.
            $isSafe = true;
            if ($this->isOfMany ? $this->writeAll($socket, $request) : @fwrite($socket, $request) === \strlen($request)) {
                if ($patienceMs > 0) {
                    $this->setTimeout($socket, self::ANSWER_TIMEOUT_MS + $patienceMs);
                }
                $answer = $this->read($socket, '', $number, true);
                if ($answer !== null) {
                    if ($patienceMs > 0) {
                        $this->setTimeout($socket, self::ANSWER_TIMEOUT_MS);
                    }
                    $this->isAsking = false;
                    $this->fresh = 0;

                    return $answer;
                }
                $isSafe = $repeats;
                // Who did not answer in time would not a second time.
                $isLast = $isLast || $this->isLate;
            }
            $this->close();
            if ($isLast || !$isSafe) {
                throw $this->gone($this->why . ($isSafe ? '' : '; it may have been done, or not'));
            }
        }
    }

    public function getAll(array $keys): array
    {
        if (Wait::$scheduler !== null && !$this->isOfMany) {
            return Links::to($this->target)->getAll($keys);
        }
        $answers = [];
        for ($at = 0; $at < \count($keys);) {
            [$requests, $numbers, $first] = ['', [], $at];
            for (; $at < \count($keys) && \strlen($requests) < self::AHEAD_BYTES; ++$at) {
                $numbers[] = $number = pack('P', ++$this->number);
                $requests .= pack('V', self::HEAD_BYTES + \strlen($keys[$at])) . $number . \chr(self::GET) . \chr(\strlen($keys[$at])) . $keys[$at];
            }
            $batch = $this->exchange($requests, $numbers) ?? ($this->isLate ? null : $this->exchange($requests, $numbers));
            if ($batch === null) {
                throw $this->gone($this->why);
            }
            array_push($answers, ...$batch);
        }

        return $answers;
    }

    /**
     * @param list<string> $numbers
     *
     * @return list<string>|null null: the connection broke
     */
    private function exchange(string $requests, array $numbers): ?array
    {
        $socket = $this->socket(true);
        $this->isAsking = true;
        $answers = [];
        $bytes = '';
        if ($this->isOfMany ? $this->writeAll($socket, $requests) : @fwrite($socket, $requests) === \strlen($requests)) {
            foreach ($numbers as $number) {
                $bytes = $this->read($socket, $bytes, $number, false);
                if ($bytes === null) {
                    break;
                }
                $length = unpack('V', $bytes)[1] + 4;
                $answers[] = \strlen($bytes) === $length ? $bytes : substr($bytes, 0, $length);
                $bytes = \strlen($bytes) === $length ? '' : substr($bytes, $length);
            }
        }
        if (\count($answers) < \count($numbers) || $bytes !== '') {
            $this->close();

            return null;
        }
        $this->isAsking = false;

        return $answers;
    }

    /**
     * One answer, and what came behind it.
     *
     * @param resource $socket
     * @param string   $bytes  that were read already
     * @param bool     $isLast nothing may come behind it
     *
     * @return string|null null: the connection broke, or this is not the answer to the request with this number
     */
    private function read($socket, string $bytes, string $number, bool $isLast): ?string
    {
        $this->isLate = false;
        $length = 0;
        while (true) {
            if ($length === 0 && \strlen($bytes) >= self::PAYLOAD_AT) {
                $length = unpack('V', $bytes)[1] + 4;
                if ($length < self::PAYLOAD_AT || substr($bytes, 4, 8) !== $number || ($isLast && \strlen($bytes) > $length)) {
                    $this->why = 'its answer was meant for another request';

                    return null;
                }
            }
            if ($length > 0 && \strlen($bytes) >= $length) {
                return $bytes;
            }
            $atMost = max(self::READ_BYTES, min(self::READ_MAX_BYTES, $length - \strlen($bytes)));
            $more = $this->isOfMany ? $this->readSome($socket, $atMost) : @fread($socket, $atMost);
            if ($more === false || $more === '') {
                $this->isLate = $this->isLate || stream_get_meta_data($socket)['timed_out'];
                $this->why = $this->isLate ? sprintf('it did not answer within %d ms', $this->timeoutMs) : 'the connection ended before the answer';

                return null;
            }
            $bytes = $bytes === '' ? $more : $bytes . $more;
        }
    }

    /**
     * '' where nothing came in time, or ever will.
     *
     * @param resource $socket
     */
    private function readSome($socket, int $bytes): string
    {
        $untilNs = hrtime(true) + $this->timeoutMs * 1e6;
        while (($read = (string) @fread($socket, $bytes)) === '' && !feof($socket)) {
            $leftMs = ($untilNs - hrtime(true)) / 1e6;
            if ($leftMs <= 0) {
                $this->isLate = true;
                break;
            }
            Wait::select([$socket], [], $leftMs);
        }

        return $read;
    }

    /** @param resource $socket */
    private function writeAll($socket, string $bytes): bool
    {
        $untilNs = hrtime(true) + self::ANSWER_TIMEOUT_MS * 1e6;
        while (($written = @fwrite($socket, $bytes)) !== \strlen($bytes)) {
            $leftMs = ($untilNs - hrtime(true)) / 1e6;
            if ($written === false || $leftMs <= 0) {
                return false;
            }
            $bytes = substr($bytes, $written);
            Wait::select([], [$socket], $leftMs);
        }

        return true;
    }

    /** @return resource */
    private function socket(bool $repeats)
    {
        // A connection is never shared with the process that this one was forked from.
        if ($this->socket === null || $this->pid !== getmypid()) {
            $this->socket = $this->open();
            $this->pid = (int) getmypid();
            $this->fresh = self::FRESH;
            if (!$repeats && self::persists()) {
                $this->socket = self::isClean($this->socket) ? $this->socket : $this->reopened();
            }
        }

        return $this->socket;
    }

    /** @return resource */
    private function reopened()
    {
        $this->close();

        return $this->open();
    }

    /** @return resource */
    private function open()
    {
        if ($this->goneUntilNs > 0 && hrtime(true) < $this->goneUntilNs) {
            throw new Unavailable("The cache at $this->target could not be reached a moment ago.");
        }
        $flags = STREAM_CLIENT_CONNECT | (self::persists() ? STREAM_CLIENT_PERSISTENT : 0);
        $socket = @stream_socket_client($this->target, $number, $text, self::CONNECT_TIMEOUT_S, $flags);
        if ($socket === false) {
            throw $this->gone(\is_string($text) && $text !== '' ? $text : 'no reason is known');
        }
        $this->setTimeout($socket, self::ANSWER_TIMEOUT_MS);
        // One buffer less: answers are read whole.
        stream_set_read_buffer($socket, 0);

        return $socket;
    }

    /** Where processes fork, a stream that outlives the request would be found by parent and child. */
    private static function persists(): bool
    {
        return PHP_SAPI === 'fpm-fcgi' && !\function_exists('pcntl_fork');
    }

    /**
     * What an earlier call left in the stream would be noticed behind our request only, too late for one that must not
     * be sent twice.
     *
     * @param resource $socket
     */
    private static function isClean($socket): bool
    {
        [$read, $write, $except] = [[$socket], null, null];

        return @stream_select($read, $write, $except, 0) === 0;
    }

    /** @param resource $socket */
    private function setTimeout($socket, float $ms): void
    {
        $this->timeoutMs = $ms;
        if ($this->isOfMany) {
            stream_set_blocking($socket, false);

            return;
        }
        stream_set_timeout($socket, intdiv((int) $ms, 1000), (int) $ms % 1000 * 1000);
    }

    private function gone(string $why): Unavailable
    {
        $this->goneUntilNs = hrtime(true) + self::GONE_NS;

        return new Unavailable("The cache at $this->target cannot be reached: $why.");
    }

    /** The next request opens another. */
    public function close(): void
    {
        $this->isAsking = false;
        if (\is_resource($this->socket)) {
            fclose($this->socket);
        }
        $this->socket = null;
    }
}
