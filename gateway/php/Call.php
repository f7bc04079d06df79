<?php

declare(strict_types=1);

namespace FpmGateway;

use FpmGateway\Client\CallFailed;
use FpmGateway\Client\Client;
use FpmGateway\Client\Deadline;
use FpmGateway\Client\Options;
use FpmGateway\Client\Pending;
use FpmGateway\Client\Result;
use FpmGateway\Client\Surroundings;
use FpmGateway\Net\Fetch;
use FpmGateway\Net\Streams;
use FpmGateway\Pooling\Loan;
use FpmGateway\Pooling\Pool;
use FpmGateway\Pooling\Sockets;
use FpmGateway\Pooling\StillHeld;
use FpmGateway\Resident\Fibers\Task;

/** One invocation of a function, as its handler sees it. */
final class Call
{
    private const MAX_LOGS = 100;
    private const MAX_MESSAGE_BYTES = 8192;
    private const MAX_CONTEXT_BYTES = 4096;
    private const FETCH_MAX_BYTES = 8_388_608;
    /** For a failure to be the caller's before its own time is over. */
    private const LAST_WORD_MS = 100.0;
    private const LEVELS = ['debug', 'info', 'warn', 'error'];

    private static int $begun = 0;
    private static int $running = 0;
    /** @var \WeakMap<object, int>|null of calls that run at once */
    private static ?\WeakMap $numbers = null;

    /** @var list<array{level: string, message: string, context: array<mixed>, atMs: float}> */
    private array $logs = [];
    private int $droppedLogs = 0;
    /** @var list<callable(): mixed> behind those */
    private array $ends = [];
    /** @var array<int, resource>|null of `connect()`; null before its first use */
    private ?array $streams = null;
    /** @var array<string, Loan> by the name of their pool */
    private array $loans = [];
    /** @var (\Closure(string, string, array<string, string>, string): Fetched)|null of unit tests: there it is */
    private ?\Closure $fakeFetch = null;
    /** @var list<callable(): void> */
    private array $resets = [];
    private ?Cancellation $cancellation = null;
    /** What all workers of this pool share. Attached pools have none: a \LogicException says so. */
    public readonly Cache $cache;

    /**
     * @param string $id          UUIDv7, the same for every attempt of this call
     * @param string $function    the function's name
     * @param int    $attempt     1 for the first attempt
     * @param int    $startedNs   `hrtime(true)` when this attempt began
     * @param float  $budgetMs    time this attempt may take, ms
     * @param string $traceparent W3C trace context whose parent is the span of this PHP code
     * @param string $outer       functions that wait for this call, outermost first, joined by commas
     */
    public function __construct(
        public readonly string $id,
        public readonly string $function,
        public readonly int $attempt,
        private readonly int $startedNs,
        private readonly float $budgetMs,
        private readonly string $traceparent,
        private readonly string $outer = '',
        private ?Client $client = null,
    ) {
        // Only then does `__get` see who asks for it first: a call that does not use it pays for nothing else.
        unset($this->cache);
        // Not for one of a unit test.
        if ($client === null) {
            self::$running = ++self::$begun;
        }
    }

    /**
     * The number of the call that this process runs; 0 for none.
     *
     * @internal
     */
    public static function running(): int
    {
        if (Wait::$scheduler === null) {
            return self::$running;
        }
        $owner = Wait::$scheduler->owner();
        if ($owner === null) {
            return 0;
        }
        self::$numbers ??= new \WeakMap();

        return self::$numbers[$owner] ??= ++self::$begun;
    }

    public function __get(string $name): Cache
    {
        if ($name !== 'cache') {
            throw new \Error(sprintf('A call has no property "%s".', $name));
        }

        return $this->cache = Cache::ofEnvironment();
    }

    /**
     * A call for unit tests of handlers: `(require 'functions/echo.php')(['name' => 'Ada'], Call::fake())`.
     *
     * `sleep()` comes back at once; pools make their connections as ever, for this call alone.
     *
     * @param array<string, mixed> $answers of the functions that the handler calls: see `Client::fake()`
     * @param (\Closure(string, string, array<string, string>, string): Fetched)|null $fetch gets URL, method, headers and body
     */
    public static function fake(
        string $function = 'fake',
        int $attempt = 1,
        float $budgetMs = 30_000.0,
        array $answers = [],
        ?\Closure $fetch = null,
    ): self {
        $traceparent = '00-' . bin2hex(random_bytes(16)) . '-' . bin2hex(random_bytes(8)) . '-01';
        $client = Client::fake($answers);

        $call = new self('00000000-0000-7000-8000-000000000000', $function, $attempt, hrtime(true), $budgetMs, $traceparent, '', $client);
        $call->cache = Cache::fake();
        $call->fakeFetch = $fetch ?? static fn (string $url): never => throw new \LogicException("This fake has no answer of $url: give one, as in Call::fake(fetch: static fn (string \$url) => new Fetched(200, [], '…')).");

        return $call;
    }

    /**
     * For calls of other functions. They go to the same gateway, join this call's trace, and end with its time. The
     * methods below are those of the client, told there.
     */
    public function client(): Client
    {
        $this->assertOwn();

        return $this->client ??= Client::within(
            Surroundings::ofCall($this->id, $this->function, $this->outer, $this->traceparent, $this->remainingMs()),
        );
    }

    /** @throws CallFailed */
    public function invoke(string $function, mixed $input = [], ?int $timeoutMs = null, ?int $attempts = null, bool $idempotent = false): mixed
    {
        return $this->client()->invoke($function, $input, $timeoutMs, $attempts, $idempotent);
    }

    public function send(string $function, mixed $input = [], ?int $timeoutMs = null, ?int $attempts = null, bool $idempotent = false): Pending
    {
        return $this->client()->send($function, $input, $timeoutMs, $attempts, $idempotent);
    }

    /** @throws CallFailed */
    public function fire(string $function, mixed $input = [], ?int $timeoutMs = null): string
    {
        return $this->client()->fire($function, $input, $timeoutMs);
    }

    /**
     * @template K of array-key
     *
     * @param array<K, Pending> $calls
     *
     * @return array<K, mixed>
     *
     * @throws CallFailed
     */
    public function waitAll(array $calls): array
    {
        return $this->client()->waitAll($calls);
    }

    /**
     * @param array<array-key, Pending>|null $calls
     *
     * @return \Generator<array-key, Result>
     */
    public function each(?array $calls = null): \Generator
    {
        return $this->client()->each($calls);
    }

    /**
     * @param array<array-key, Pending>|null $calls
     *
     * @return array<array-key, Pending>
     */
    public function ready(?array $calls = null, int $waitMs = 0): array
    {
        return $this->client()->ready($calls, $waitMs);
    }

    /**
     * @param array<array-key, Pending>|null $calls
     *
     * @throws CallFailed
     */
    public function settle(?array $calls = null): void
    {
        $this->client()->settle($calls);
    }

    /**
     * @param iterable<array-key, mixed> $items
     *
     * @return \Generator<array-key, Result>
     *
     * @throws CallFailed
     */
    public function batch(
        iterable $items,
        ?string $function = null,
        bool $ordered = false,
        bool $stopOnError = false,
        ?int $concurrency = null,
        ?int $timeoutMs = null,
    ): \Generator {
        return $this->client()->batch($items, $function, $ordered, $stopOnError, $concurrency, $timeoutMs);
    }

    /**
     * @return \Generator<int, mixed>
     *
     * @throws CallFailed
     */
    public function stream(string $function, mixed $input = [], ?int $timeoutMs = null): \Generator
    {
        return $this->client()->stream($function, $input, $timeoutMs);
    }

    /**
     * Waits. In a concurrent worker others run in the meantime.
     *
     * @throws DeadlineExceeded|Cancelled there, when the time of the call is over or nobody wants its answer any more
     */
    public function sleep(float|int $ms): void
    {
        if (!($ms >= 0 && $ms <= 86_400_000)) {
            throw new \InvalidArgumentException("sleep() takes 0 to 86,400,000 ms, and this is $ms.");
        }
        if ($this->fakeFetch === null) {
            $this->assertOwn();
            Wait::sleep((float) $ms);
        }
    }

    /**
     * An HTTP/1.1 request to any server, by http:// or https://. The answer comes back whatever its status; redirects are
     * not followed: its `location` header says where to. Each has a connection of its own. Names are looked up by PHP,
     * which all calls of the worker wait for.
     *
     * @param array<string, string> $headers
     * @param int|null              $timeoutMs from here to the whole answer; null: what the call has left
     * @param int                   $maxBytes  of the answer's body
     *
     * @throws StreamFailed where there is no whole answer
     */
    public function fetch(
        string $url,
        string $method = 'GET',
        array $headers = [],
        string $body = '',
        ?int $timeoutMs = null,
        int $maxBytes = self::FETCH_MAX_BYTES,
    ): Fetched {
        return $this->fakeFetch !== null
            ? ($this->fakeFetch)($url, $method, $headers, $body)
            : Fetch::run($url, $method, $headers, $body, $maxBytes, $this->deadline($timeoutMs));
    }

    /**
     * A stream for `read()` and `write()`. It ends with the call; close it by fclose() where it is not needed any more.
     *
     * @param string   $target    `tcp://host:port`, `tls://host:port` or `unix:///path`. Names: see `fetch()`
     * @param int|null $timeoutMs null: what the call has left
     *
     * @return resource that does not block
     *
     * @throws StreamFailed
     */
    public function connect(string $target, ?int $timeoutMs = null)
    {
        $stream = Streams::connect($target, $this->deadline($timeoutMs));
        if ($this->streams === null) {
            $this->atEnd($this->closeStreams(...));
        } elseif (count($this->streams) % 64 === 63) {
            $this->streams = array_filter($this->streams, is_resource(...));
        }
        $this->streams[(int) $stream] = $stream;

        return $stream;
    }

    /**
     * What has come, waited for.
     *
     * @param resource $stream    of `connect()`, or any other that PHP can wait for
     * @param int      $bytes     at most; fewer come where no more are there
     * @param int|null $timeoutMs null: what the call has left
     *
     * @return string '' at its end
     *
     * @throws StreamFailed
     */
    public function read($stream, int $bytes = 65_536, ?int $timeoutMs = null): string
    {
        return Streams::read($stream, $bytes, $this->deadline($timeoutMs));
    }

    /**
     * Writes all of it.
     *
     * @param resource $stream
     * @param int|null $timeoutMs null: what the call has left
     *
     * @throws StreamFailed
     */
    public function write($stream, string $bytes, ?int $timeoutMs = null): void
    {
        Streams::write($stream, $bytes, $this->deadline($timeoutMs));
    }

    /**
     * A connection to something, of this call alone until it ends: made when there is none, kept for the next call, and
     * the same one at each use within a call. In a concurrent worker calls get one each, at most `$max` at once; the
     * others wait in line. PDO that is left in a transaction is rolled back.
     *
     *     $db = $call->pool('shop', static fn (): PDO => new PDO('mysql:host=db;dbname=shop', 'shop', $password));
     *
     * @param string                          $name   of the pool, in this worker
     * @param callable(): (object|resource)   $make   opens a connection
     * @param int                             $max    connections at once
     * @param int                             $idleMs unused for longer, it is not used again
     * @param (callable(mixed): bool)|null    $isGood asked before a connection is used in another call; null: PDO is asked `SELECT 1`, others are taken to be
     *
     * @return object|resource
     *
     * @throws DeadlineExceeded|StreamFailed where all were in use until the time of the call was over
     */
    public function pool(string $name, callable $make, int $max = 8, int $idleMs = 60_000, ?callable $isGood = null): mixed
    {
        $this->assertOwn();
        if (!isset($this->loans[$name])) {
            if ($this->loans === []) {
                $this->atEnd(Wait::$scheduler?->owner() === null ? $this->giveBackOrTell(...) : $this->giveBack(...));
            }
            $loan = Pool::of($name, $this->fakeFetch !== null)->lend($make, $max, $idleMs, $isGood, $this->deadlineInLine());
            $this->loans[$name] = $loan;
            if (is_resource($loan->connection())) {
                // One of `connect()` is the pool's from now on.
                unset($this->streams[(int) $loan->connection()]);
            }
        }

        return $this->loans[$name]->connection();
    }

    /** Milliseconds until the gateway stops this worker; never negative. Give nested calls and queries no more. */
    public function remainingMs(): float
    {
        return max(0.0, $this->budgetMs - (hrtime(true) - $this->startedNs) / 1e6);
    }

    /** Send this as the `traceparent` header of requests made here, and they join this call's trace. */
    public function traceparent(): string
    {
        return $this->traceparent;
    }

    /**
     * Writes to the call's trace and to the gateway's log. At most 100 entries are kept for a call, each with 8 KiB of
     * message and 4 KiB of context.
     *
     * @param array<mixed> $context JSON-encodable details, as they are now: later changes are not seen
     * @param string       $level   debug, info, warn or error
     */
    public function log(string $message, array $context = [], string $level = 'info'): void
    {
        if (!in_array($level, self::LEVELS, true)) {
            throw new \ValueError(sprintf('Unknown log level "%s": use one of %s.', $level, implode(', ', self::LEVELS)));
        }
        if (count($this->logs) >= self::MAX_LOGS) {
            ++$this->droppedLogs;

            return;
        }
        $this->logs[] = [
            'level' => $level,
            'message' => substr($message, 0, self::MAX_MESSAGE_BYTES),
            'context' => $context === [] ? [] : self::snapshot($context),
            'atMs' => round((hrtime(true) - $this->startedNs) / 1e6, 3),
        ];
    }

    /**
     * Plain, bounded values: writing the answer must never fail for something that was logged.
     *
     * @param array<mixed> $context
     *
     * @return array<mixed>
     */
    private static function snapshot(array $context): array
    {
        try {
            $json = json_encode($context, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
        } catch (\Throwable $unencodable) {
            return ['unencodable' => $unencodable->getMessage()];
        }

        return strlen($json) <= self::MAX_CONTEXT_BYTES
            ? json_decode($json, true)
            : ['bytes' => strlen($json), 'truncated' => substr($json, 0, self::MAX_CONTEXT_BYTES)];
    }

    /** @return list<array{level: string, message: string, context: array<mixed>, atMs: float}> entries so far */
    public function logs(): array
    {
        return $this->logs;
    }

    /**
     * Does this when the call's answer is known, before the worker serves another: under both engines, whatever the
     * outcome was but an error that PHP cannot go on after. For what must be the same every time, see `Resets::add()`.
     *
     * @param callable(): void $hook one that throws does not change the answer: it is told as a leak
     */
    public function onReset(callable $hook): void
    {
        $this->resets[] = $hook;
    }

    /**
     * Does this when the call is ended early: its time is over, its caller has left (`onDisconnect: 'cancel'`), or an
     * operator cancelled it. What `finally` would clean up, where PHP is ended without it. Not when the handler returns or
     * throws. There are 500 ms for all of it, and then the process ends; the answer has gone out before. In a worker that
     * runs many calls at once it must not block: the others wait for it, until the call's own time limit.
     *
     *     $call->onCancel(static fn (string $why) => @unlink($unfinished));
     *
     * PHP that is in the middle of something that blocks (a query, a read from a socket, a regular expression) comes back
     * too late, and is ended without. Pools that the gateway does not run (`address`) have no such moment.
     *
     * @param callable(string): mixed $do gets `timeout` or `cancelled`; what it throws goes to PHP's error log
     */
    public function onCancel(callable $do): void
    {
        $this->assertOwn();
        $waits = $this->fakeFetch !== null || Wait::$scheduler?->owner() !== null;
        $this->cancellation ??= new Cancellation($waits ? null : "$this->id.$this->attempt");
        $this->cancellation->add($do);
    }

    /**
     * Of a call of `fake()`: runs what its handler gave to `onCancel()`, as the gateway would have PHP do.
     *
     * @param string $why `timeout` or `cancelled`
     */
    public function cancel(string $why = 'cancelled'): void
    {
        if ($this->fakeFetch === null) {
            throw new \LogicException('cancel() is for calls of Call::fake(), in unit tests.');
        }
        $this->cancellation?->run($why);
    }

    /**
     * For the runtime: what asked for time to clean up, if anything did.
     *
     * @internal
     */
    public function cancellation(): ?Cancellation
    {
        return $this->cancellation;
    }

    /**
     * For the runtime, once: a hook that ends PHP is not run again.
     *
     * @internal
     *
     * @return list<callable(): void>
     */
    public function takeResets(): array
    {
        self::$running = 0;
        if ($this->cancellation !== null) {
            $this->cancellation->end();
            $this->cancellation = null;
        }
        $resets = $this->resets;
        $this->resets = [];
        if ($this->ends !== []) {
            array_push($resets, ...$this->ends);
            $this->ends = [];
        }

        return $resets;
    }

    /** Behind what the handler has asked for. */
    private function atEnd(\Closure $do): void
    {
        if (Wait::$scheduler?->owner() === null) {
            $this->ends[] = $do;
        } else {
            Wait::$scheduler->atEnd($do);
        }
    }

    private function closeStreams(): void
    {
        foreach ($this->streams ?? [] as $stream) {
            Sockets::close($stream);
        }
        $this->streams = null;
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> connections that are still in use */
    private function giveBack(): array
    {
        $loans = $this->loans;
        $this->loans = [];
        $leaks = [];
        while (($loan = array_pop($loans)) !== null) {
            $held = $loan->end();
            if ($held !== null) {
                $leaks[] = $held;
            }
        }

        return $leaks;
    }

    /** Hooks that run behind a serial call tell by what they throw. */
    private function giveBackOrTell(): void
    {
        $leaks = $this->giveBack();
        if ($leaks !== []) {
            throw new StillHeld($leaks);
        }
    }

    /**
     * One that is kept in a static is the call of before, or another that waits: answers, connections and time limits would
     * be mixed up. Where no call runs nothing can be.
     */
    private function assertOwn(): void
    {
        $task = Wait::$scheduler?->owner();
        if ($task instanceof Task && $task->call !== $this && $this->fakeFetch === null) {
            throw new \LogicException('This $call is not of the call that uses it: it is of another one, or of one that has ended. In a worker that runs many calls at once each uses its own.');
        }
    }

    private function deadline(?int $timeoutMs): Deadline
    {
        $this->assertOwn();
        $deadline = Deadline::in($this->remainingMs());
        if ($timeoutMs !== null) {
            Options::assertWithin('timeoutMs', $timeoutMs, 1, 86_400_000);
            $deadline = $deadline->orIn($timeoutMs);
        }

        return $deadline;
    }

    /**
     * Of a nested call a little less: its caller may hold what it waits for, and has no time left to hear why, where both
     * are over at the same moment.
     */
    private function deadlineInLine(): Deadline
    {
        $leftMs = $this->remainingMs();

        return Deadline::in($this->outer === '' ? $leftMs : $leftMs - min(self::LAST_WORD_MS, $leftMs / 4));
    }

    /** Entries not kept because the call had written 100 already. */
    public function droppedLogs(): int
    {
        return $this->droppedLogs;
    }
}
