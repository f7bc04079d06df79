<?php

declare(strict_types=1);

namespace FpmGateway;

use FpmGateway\Client\CallFailed;
use FpmGateway\Client\Client;
use FpmGateway\Client\Pending;
use FpmGateway\Client\Result;
use FpmGateway\Client\Surroundings;

/** One invocation of a function, as its handler sees it. */
final class Call
{
    private const MAX_LOGS = 100;
    private const MAX_MESSAGE_BYTES = 8192;
    private const MAX_CONTEXT_BYTES = 4096;
    private const LEVELS = ['debug', 'info', 'warn', 'error'];

    private static int $begun = 0;
    private static int $running = 0;

    private readonly int $number;

    /** @var list<array{level: string, message: string, context: array<mixed>, atMs: float}> */
    private array $logs = [];
    private int $droppedLogs = 0;
    /** @var list<callable(): void> */
    private array $resets = [];
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
        $this->number = $client === null ? self::$running = ++self::$begun : 0;
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
        $call = Wait::$scheduler->owner();

        return $call instanceof self ? $call->number : 0;
    }

    /**
     * Answers to nested calls that came while something else was waited for.
     *
     * @internal
     */
    public function receive(): void
    {
        $this->client?->receive();
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
     * @param array<string, mixed> $answers of the functions that the handler calls: see `Client::fake()`
     */
    public static function fake(string $function = 'fake', int $attempt = 1, float $budgetMs = 30_000.0, array $answers = []): self
    {
        $traceparent = '00-' . bin2hex(random_bytes(16)) . '-' . bin2hex(random_bytes(8)) . '-01';
        $client = Client::fake($answers);

        $call = new self('00000000-0000-7000-8000-000000000000', $function, $attempt, hrtime(true), $budgetMs, $traceparent, '', $client);
        $call->cache = Cache::fake();

        return $call;
    }

    /**
     * For calls of other functions. They go to the same gateway, join this call's trace, and end with its time. The
     * methods below are those of the client, told there.
     */
    public function client(): Client
    {
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
     * For the runtime, once: a hook that ends PHP is not run again.
     *
     * @internal
     *
     * @return list<callable(): void>
     */
    public function takeResets(): array
    {
        self::$running = 0;
        $resets = $this->resets;
        $this->resets = [];

        return $resets;
    }

    /** Entries not kept because the call had written 100 already. */
    public function droppedLogs(): int
    {
        return $this->droppedLogs;
    }
}
