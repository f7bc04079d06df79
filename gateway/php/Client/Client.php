<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\Wait;

/**
 * Calls functions of an fpm-gateway: one and wait, many at once, and go on with whichever is ready first.
 *
 * Calls move on while one of its methods waits, all of them together; PHP has no time of its own besides.
 */
final class Client
{
    /** What PHP calls a default must be the same in both ways to make a client. */
    private const TIMEOUT_MS = 60_000;
    private const CONNECT_TIMEOUT_MS = 5_000;
    private const CONCURRENCY = 32;
    private const MAX_RESPONSE_BYTES = 67_108_864;

    private readonly ?Loop $loop;
    /** @var array<string, Pending> by request id: nobody has asked for their results */
    private array $open = [];
    /** @var list<CallTransfer> the oldest first */
    private array $fired = [];

    private function __construct(private readonly ?Options $options, private readonly ?Canned $canned, ?Nested $nested = null)
    {
        $this->loop = $options === null ? null : new Loop($options, $nested, false);
    }

    /**
     * @param string                $address          `unix:/path/to.sock`, `http://host:port` or `https://host:port`
     * @param int                   $timeoutMs        of a call that names none; 0: as long as its contract says
     * @param int                   $concurrency      calls at once, at most 256; the others wait in the client
     * @param int                   $attempts         how often a call that provably did not run is sent
     * @param int                   $maxResponseBytes of a result, or of one item of a stream or batch
     * @param array<string, string> $headers          sent with every request, such as `Authorization`
     * @param string|null           $traceparent      W3C trace context that the calls join
     * @param array<string, mixed>  $tls              options of PHP's `ssl` stream context, such as `cafile`
     *
     * @throws \InvalidArgumentException
     */
    public static function connect(
        string $address,
        int $timeoutMs = self::TIMEOUT_MS,
        int $connectTimeoutMs = self::CONNECT_TIMEOUT_MS,
        int $concurrency = self::CONCURRENCY,
        int $attempts = 1,
        int $maxResponseBytes = self::MAX_RESPONSE_BYTES,
        array $headers = [],
        ?string $traceparent = null,
        array $tls = [],
    ): self {
        if ($traceparent !== null && preg_match('/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/D', $traceparent) !== 1) {
            throw new \InvalidArgumentException('traceparent is malformed: it is 00-<32 hex digits>-<16 hex digits>-<2 hex digits>.');
        }

        return new self(new Options(
            Address::parse($address),
            $timeoutMs,
            $connectTimeoutMs,
            $concurrency,
            $attempts,
            $maxResponseBytes,
            $headers,
            $tls,
            $traceparent,
            null,
            Deadline::never(),
        ), null);
    }

    /**
     * In handlers and scripts that the gateway runs: calls go to the same gateway, join the trace and end with the time
     * that is left. Elsewhere `FPMG_GATEWAY` must name it. Options as for `connect()`.
     *
     * @param array<string, string> $headers
     *
     * @throws \LogicException where the environment names no gateway, or many calls share it
     */
    public static function fromEnvironment(
        int $timeoutMs = self::TIMEOUT_MS,
        int $connectTimeoutMs = self::CONNECT_TIMEOUT_MS,
        int $concurrency = self::CONCURRENCY,
        int $attempts = 1,
        int $maxResponseBytes = self::MAX_RESPONSE_BYTES,
        array $headers = [],
    ): self {
        if (class_exists(Wait::class, false) && Wait::$scheduler !== null) {
            throw new \LogicException('This worker runs many calls at once, and its environment belongs to none of them: use $call, as in $call->invoke(…), or $call->client().');
        }
        $surroundings = Surroundings::ofEnvironment();

        return new self(new Options(
            Address::parse($surroundings->address),
            $timeoutMs,
            $connectTimeoutMs,
            $concurrency,
            $attempts,
            $maxResponseBytes,
            $headers,
            [],
            $surroundings->traceparent,
            $surroundings->caller,
            $surroundings->deadline,
        ), null);
    }

    /** @internal behind `Call::client()` */
    public static function within(Surroundings $surroundings): self
    {
        return new self(new Options(
            Address::parse($surroundings->address),
            0,
            self::CONNECT_TIMEOUT_MS,
            self::CONCURRENCY,
            1,
            self::MAX_RESPONSE_BYTES,
            [],
            [],
            $surroundings->traceparent,
            $surroundings->caller,
            $surroundings->deadline,
        ), null, Wait::$scheduler === null ? null : new Nested(Wait::$scheduler));
    }

    /**
     * For unit tests: nothing is sent, and each function answers what is said here.
     *
     * @param array<string, mixed> $answers by function: a value, an exception to fail with (`CallFailed`, or a `Failure` as
     *                                      the handler would throw it), or a closure that gets the input and gives either
     */
    public static function fake(array $answers): self
    {
        return new self(null, new Canned($answers));
    }

    /**
     * Calls a function and waits for its result.
     *
     * @param mixed    $input      what `json_encode` takes, with `File`s where the contract says so; an empty array is `{}`
     * @param int|null $timeoutMs  null: the client's
     * @param int|null $attempts   null: the client's
     * @param bool     $idempotent running it twice does no harm
     *
     * @return mixed decoded JSON, or a `Binary`
     *
     * @throws CallFailed
     * @throws \InvalidArgumentException for an input that cannot be sent
     */
    public function invoke(string $function, mixed $input = [], ?int $timeoutMs = null, ?int $attempts = null, bool $idempotent = false): mixed
    {
        return $this->send($function, $input, $timeoutMs, $attempts, $idempotent)->wait();
    }

    /**
     * Sends a call and comes back when it is written, or waits in the client because `concurrency` are under way.
     *
     * @throws \InvalidArgumentException for an input that cannot be sent; everything else is told by the result
     */
    public function send(string $function, mixed $input = [], ?int $timeoutMs = null, ?int $attempts = null, bool $idempotent = false): Pending
    {
        if ($this->options === null || $this->loop === null) {
            return $this->pretend($function, $input);
        }
        $attempts ??= $this->options->attempts;
        Options::assertWithin('attempts', $attempts, 1, 100);
        $request = new Request($this->options, Request::pathOf($function), Input::body($function, $input), ['Accept' => 'application/json, */*;q=0.5']);
        $pending = new Pending($this, $this->loop, $function, $request->requestId);
        $transfer = new CallTransfer($request, $this->deadline($timeoutMs), $idempotent, $attempts, $this->options->maxResponseBytes, false, $pending->ended(...));
        $pending->begins($transfer);
        $this->open[$request->requestId] = $pending;
        $this->loop->add($transfer);
        $this->loop->untilSent($transfer, $transfer->deadline);

        return $pending;
    }

    /**
     * Sends a call whose result nobody wants, and comes back when it is written. From trusted peers (unix socket,
     * loopback) the gateway runs it also when this script has ended. It is not stored: a gateway that dies takes it along.
     *
     * @param int|null $timeoutMs null: as long as its contract says
     *
     * @return string request id, for traces and logs
     *
     * @throws CallFailed where it could not be written
     */
    public function fire(string $function, mixed $input = [], ?int $timeoutMs = null): string
    {
        if ($this->options === null || $this->loop === null) {
            return $this->pretend($function, $input)->requestId;
        }
        $headers = ['Accept' => '*/*', 'on-disconnect' => 'finish'];
        $request = new Request($this->options, Request::pathOf($function), Input::body($function, $input), $headers);
        $failure = null;
        $note = static function (Result $result) use (&$failure): void {
            $failure = $result->failure;
        };
        $deadline = Deadline::never()->orIn(self::checked($timeoutMs ?? 0));
        $transfer = new CallTransfer($request, $deadline, false, 1, 0, true, $note);
        $this->makeRoomToFire();
        $this->fired[] = $transfer;
        $this->loop->add($transfer);
        if (!$this->loop->untilSent($transfer, $this->deadline(null))) {
            $failure ??= $transfer->failure('client-timeout', 'The request could not be written in time.');
            $this->loop->drop($transfer);
        }
        if ($failure !== null && !$transfer->isSent()) {
            throw $failure;
        }

        return $request->requestId;
    }

    /**
     * The results of all, waited for, with the keys and in the order of the calls.
     *
     * @template K of array-key
     *
     * @param array<K, Pending> $calls
     *
     * @return array<K, mixed>
     *
     * @throws CallFailed the first failure in this order, once all have ended
     */
    public function waitAll(array $calls): array
    {
        $results = array_map(static fn (Pending $call): Result => $call->result(), $calls);

        return array_map(static fn (Result $result): mixed => $result->get(), $results);
    }

    /**
     * Each as it finishes, with its key.
     *
     * @param array<array-key, Pending>|null $calls null: all whose results nobody has asked for, by request id
     *
     * @return \Generator<array-key, Result>
     */
    public function each(?array $calls = null): \Generator
    {
        $calls ??= $this->open;
        /** @var \SplQueue<array-key> $over keys: looking at all calls each time would take long where there are thousands */
        $over = new \SplQueue();
        foreach ($calls as $key => $call) {
            $call->assertOf($this);
            $call->whenOver(static fn () => $over->enqueue($key));
        }
        for ($missing = count($calls); $missing > 0; --$missing) {
            $this->loop?->until(static fn (): bool => !$over->isEmpty());
            $key = $over->dequeue();
            yield $key => $calls[$key]->result();
        }
    }

    /**
     * Those that have finished, with their keys.
     *
     * @param array<array-key, Pending>|null $calls  null: all whose results nobody has asked for, by request id
     * @param int                            $waitMs for how long to wait for the first; 0: only look
     *
     * @return array<array-key, Pending>
     */
    public function ready(?array $calls = null, int $waitMs = 0): array
    {
        $calls ??= $this->open;
        $deadline = Deadline::in($waitMs);
        array_walk($calls, fn (Pending $call) => $call->assertOf($this));
        $isOver = static fn (Pending $call): bool => $call->isOver();
        $this->loop?->turn(0.0);
        while (($done = array_filter($calls, $isOver)) === [] && $calls !== [] && $deadline->leftMs() > 0) {
            $this->loop?->turn($deadline->leftMs());
        }

        return $done;
    }

    /**
     * Waits until all have finished and their callbacks were called.
     *
     * @param array<array-key, Pending>|null $calls null: all whose results nobody has asked for
     *
     * @throws CallFailed the first failure that no callback was told
     */
    public function settle(?array $calls = null): void
    {
        $untold = null;
        foreach ($calls ?? $this->open as $call) {
            $failure = $call->result()->failure;
            $untold ??= $call->isFailureTold() ? null : $failure;
        }
        $this->loop?->turn(0.0);
        if ($untold !== null) {
            throw $untold;
        }
    }

    /**
     * Calls in one request: sent while they are made, answered while they are sent. It begins when the results are read.
     *
     * @param iterable<array-key, mixed> $items       `Item`s; with `$function` inputs, too. Their keys come back
     * @param bool                       $ordered     results in the order of the items, not as they finish
     * @param bool                       $stopOnError what has not begun when one fails is cancelled
     * @param int|null                   $concurrency at once; null: as the gateway allows
     * @param int|null                   $timeoutMs   of all together; null: the client's
     *
     * @return \Generator<array-key, Result>
     *
     * @throws CallFailed when the batch as a whole breaks off; results that were there have come before
     */
    public function batch(
        iterable $items,
        ?string $function = null,
        bool $ordered = false,
        bool $stopOnError = false,
        ?int $concurrency = null,
        ?int $timeoutMs = null,
    ): \Generator {
        if ($this->options === null || $this->loop === null) {
            yield from $this->canned?->batch($items, $function) ?? [];

            return;
        }
        Options::assertWithin('concurrency', $concurrency ?? 1, 1, 1_000_000);
        $path = ($function === null ? '' : Request::pathOf($function)) . '/batch?order=' . ($ordered ? 'input' : 'finish');
        $path .= ($stopOnError ? '&stopOnError=true' : '') . ($concurrency === null ? '' : "&concurrency=$concurrency");

        $lines = new BatchItems($items, $function);
        $request = new Request($this->options, $path, Body::once('application/x-ndjson', $lines->lines(...)), ['Accept' => 'application/x-ndjson']);
        $transfer = new BatchTransfer($request, $this->deadline($timeoutMs), $this->options->maxResponseBytes, $lines);
        foreach ($transfer->run($this->loop) as [$key, $result]) {
            yield $key => $result;
        }
    }

    /**
     * What a function streams, as it comes and at the reader's pace. It begins when it is read; leaving it stops PHP.
     *
     * @param int|null $timeoutMs of all of it; null: the client's
     *
     * @return \Generator<int, mixed> decoded JSON, or pieces of bytes
     *
     * @throws CallFailed also in its middle: what was read before is not all of it
     */
    public function stream(string $function, mixed $input = [], ?int $timeoutMs = null): \Generator
    {
        if ($this->options === null || $this->loop === null) {
            yield from $this->canned?->stream($function, $input) ?? [];

            return;
        }
        $request = new Request($this->options, Request::pathOf($function), Input::body($function, $input), ['Accept' => 'text/event-stream, */*;q=0.5']);

        yield from (new StreamTransfer($request, $this->deadline($timeoutMs), $this->options->maxResponseBytes))->run($this->loop);
    }

    /** @internal */
    public function taken(Pending $pending): void
    {
        unset($this->open[$pending->requestId]);
    }

    private function deadline(?int $timeoutMs): Deadline
    {
        $options = $this->options ?? throw new \LogicException('A client without a gateway.');

        return $options->deadline->orIn($timeoutMs === null ? $options->timeoutMs : self::checked($timeoutMs));
    }

    private static function checked(int $timeoutMs): int
    {
        Options::assertWithin('timeoutMs', $timeoutMs, 0, 86_400_000);

        return $timeoutMs;
    }

    /**
     * Calls that are fired wait for nobody, so that their connections have a limit of their own. Over the worker's own
     * connection fewer need no look at what comes: that would suspend the call, which a destructor cannot.
     */
    private function makeRoomToFire(): void
    {
        $most = $this->options?->concurrency ?? 0;
        $this->loop?->glance();
        $this->forgetFired();
        if (count($this->fired) >= $most || $this->loop?->isNested() === false) {
            $this->loop?->turn(0.0);
            $this->forgetFired();
        }
        while (count($this->fired) >= $most) {
            $oldest = array_shift($this->fired);
            if ($oldest !== null) {
                $this->loop?->drop($oldest);
            }
        }
    }

    private function forgetFired(): void
    {
        $this->fired = array_values(array_filter($this->fired, static fn (CallTransfer $transfer): bool => !$transfer->isOver()));
    }

    private function pretend(string $function, mixed $input): Pending
    {
        $pending = new Pending($this, null, $function, sprintf('fake-%s', bin2hex(random_bytes(8))));
        $this->open[$pending->requestId] = $pending;
        $pending->ended($this->canned?->result($function, $input, $pending->requestId) ?? throw new \LogicException('A client without a gateway.'));

        return $pending;
    }
}
