<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Binary;
use FpmGateway\Call;
use FpmGateway\Debug\Hooks;
use FpmGateway\Facts;
use FpmGateway\Failure;
use FpmGateway\Outcome;
use FpmGateway\Resets;
use FpmGateway\Resident\Leaks\Leak;
use FpmGateway\Runtime;

use function error_clear_last;
use function explode;
use function getmypid;
use function json_decode;
use function json_encode;
use function memory_get_usage;
use function strlen;
use function strpos;
use function substr;

/**
 * Runs one attempt after the other, each from its request to its answer: the handler, what it left behind, and the
 * envelope that tells of both. The envelope is the one of Runtime.php.
 */
final class Attempts
{
    /** Buffers whose callbacks throw, destructors of what destructors threw: more than these are made on purpose. */
    private const MAX_TRIES = 64;

    private ?Request $request = null;
    private ?Signals $signals = null;
    /** @var list<callable(): void>|null of a call that ended PHP */
    private ?array $hooks = null;
    /** @var list<array{kind: string, name: string, detail: string, restored: bool}> found between the handler and the sentinel */
    private array $late = [];
    private string $attemptId = '';
    private string $function = '';
    private ?Call $call = null;
    private bool $finishing = false;
    private int $served = 0;
    /** `dev --xdebug` has loaded what looks at each call. */
    private readonly bool $debugged;
    private int $startedNs = 0;
    private ?string $reserve;

    public function __construct(
        private readonly Application $application,
        private readonly Reply $reply,
        private readonly Usage $usage,
        private readonly Stderr $stderr,
        private readonly ?Sentinel $sentinel,
        private readonly int $pid,
        private readonly int $bornNs,
    ) {
        // Freed when memory has run out, so that the envelope can still be written.
        $this->reserve = str_repeat('x', Runtime::RESERVE_BYTES);
        $this->debugged = class_exists(Hooks::class, false);
    }

    /** False when the worker is to end: the gateway is gone, or the application did not load. */
    public function serve(Request $request): bool
    {
        $this->request = $request;
        $startedNs = $this->startedNs = $this->usage->begin();
        $parts = explode(' ', $request->call, 5);
        $this->attemptId = $parts[1] ?? '';
        $this->function = $parts[0];
        // A function may have this name: its calls say more.
        if ($parts[0] === 'prime' && !isset($parts[2])) {
            return $this->prime();
        }
        if (!isset($parts[3])) {
            throw new Malformed('an FPMG_CALL that does not say function, attempt, budget and traceparent');
        }
        ++$this->served;
        Superglobals::renew($parts[0], $this->attemptId, substr($request->call, strlen($parts[0]) + strlen($parts[1]) + 2));
        // The attempt's id is `<call id>.<number>`.
        $dot = (int) strpos($parts[1], '.');
        $this->call = new Call(
            substr($parts[1], 0, $dot),
            $parts[0],
            (int) substr($parts[1], $dot + 1),
            $startedNs,
            (float) $parts[2],
            $parts[3],
            $parts[4] ?? '',
        );
        $payload = '';
        try {
            $this->signals?->begin();
            $meta = $this->run($parts[0], $request, $payload);
            $this->late = $this->signals?->end() ?? [];
        } catch (\Throwable $thrown) {
            $this->late = $this->signals?->end() ?? [];
            if ($this->reply->within) {
                throw new \RuntimeException('a piece of a stream was cut by an exception, as of a signal\'s handler');
            }
            $meta = self::thrown($thrown, $payload);
            // It holds what it was given, and may be held by nothing else.
            $this->release($thrown);
        }

        return $this->finish($meta, $payload, true);
    }

    /** When the application is loaded. */
    public function begin(?Signals $signals): void
    {
        $this->signals = $signals;
        $this->sentinel?->watchSettings($this->application->setting());
        $this->sentinel?->begin($this->application->app, $this->application->runs());
    }

    /** What of a call is left when the worker ends in it. */
    public function drop(): void
    {
        $this->request?->uploads?->remove();
        $this->request = null;
    }

    /** Behind the answer of a call that ended PHP: a hook that does the same cannot lose it. */
    public function runHooks(): void
    {
        $hooks = $this->hooks;
        if ($hooks === null) {
            return;
        }
        $this->hooks = null;
        foreach (Resets::leaks($hooks) as $leak) {
            $this->stderr->tell("A reset hook threw behind a call that ended PHP: $leak[name], $leak[detail].");
        }
    }

    /** Whatever ended PHP but a kill: the only place where exit() and fatal errors can be seen. */
    public function afterEnd(): void
    {
        $this->endFork();
        $this->signals?->end();
        if ($this->request === null || $this->reply->within) {
            return;
        }
        $this->reserve = null;
        $fatal = Outcome::fatal();
        // What the handler holds is still there. This process ends in any case: its answer may take what it needs.
        @ini_set('memory_limit', '-1');
        if ($fatal === null && !$this->finishing && $this->call !== null) {
            $this->hooks = $this->call->takeResets();
        }
        $this->late = [];
        $this->finish(self::members($fatal ?? ['outcome' => 'exit']), '', false);
    }

    /** The outcome, as members of the envelope's meta. */
    private function run(string $function, Request $request, string &$payload): string
    {
        $handler = $this->application->handlers[$function] ?? null;
        if ($handler === null) {
            throw new \UnexpectedValueException(sprintf('This worker was started without a function %s.', $function));
        }
        if ($handler->run === null) {
            return self::members(['outcome' => 'exception', 'exception' => $handler->exception]);
        }
        $input = $request->uploads === null
            ? json_decode($request->input, true, 512, JSON_THROW_ON_ERROR)
            : $request->uploads->input();
        $class = $handler->class;
        if ($this->debugged) {
            Hooks::before();
        }
        $result = ($handler->run)($class === null ? $input : $class::fromArray($input), $this->call, $this->application->app);
        if ($handler->streams !== null && is_iterable($result) && !(is_array($result) && !array_is_list($result))) {
            return $this->stream($request->id, $result, $handler->streams === 'bytes');
        }
        if ($result instanceof \Generator) {
            return self::members(['outcome' => 'unencodable', 'message' => Runtime::NO_STREAM]);
        }
        if ($result instanceof Binary) {
            $payload = $result->bytes;

            return self::members(['outcome' => 'output', 'encoding' => 'binary', 'mediaType' => $result->mediaType]);
        }
        try {
            $payload = json_encode($result, Runtime::PAYLOAD_FLAGS);
        } catch (\JsonException $unencodable) {
            return self::members(['outcome' => 'unencodable', 'message' => $unencodable->getMessage()]);
        }

        return '"outcome":"output","encoding":"json"';
    }

    /**
     * Sends each piece as soon as the handler yields it; this blocks while the reader is slow.
     *
     * @param iterable<mixed> $pieces
     */
    private function stream(string $id, iterable $pieces, bool $bytes): string
    {
        $this->endFork();
        $this->send($this->reply->beginStream($id));
        foreach ($pieces as $piece) {
            $this->endFork();
            if (!$bytes) {
                try {
                    $json = json_encode($piece, Runtime::PAYLOAD_FLAGS);
                } catch (\JsonException $unencodable) {
                    return self::members(['outcome' => 'unencodable', 'message' => $unencodable->getMessage()]);
                }
                $this->send($this->reply->frame($id, 'I', $json));
            } elseif (is_string($piece)) {
                $this->send($this->reply->frame($id, 'B', $piece));
            } else {
                throw new \UnexpectedValueException(sprintf('A stream of bytes is made of strings; this handler yielded %s.', get_debug_type($piece)));
            }
        }

        return '"outcome":"streamed"';
    }

    /** What a handler forked has no answer to give: the worker's own is still to come. */
    private function endFork(): void
    {
        if (getmypid() !== $this->pid) {
            Fork::end();
        }
    }

    private function send(bool $sent): void
    {
        if (!$sent) {
            // Nobody reads what the handler would still yield.
            $this->drop();
            Process::end(0);
        }
    }

    private function prime(): bool
    {
        $payload = '';
        $good = true;
        try {
            if (!$this->application->loaded) {
                $this->application->load();
                $this->begin(Signals::hold());
            }
            $facts = Facts::all();
            $facts['opcache'] = $facts['opcache'] && (bool) ini_get('opcache.enable_cli');
            $payload = (string) json_encode($this->application->told(), Runtime::META_FLAGS);
            $meta = self::members(['outcome' => 'primed', 'runtimeVersion' => Runtime::VERSION, 'engine' => 'resident'] + $facts + [
                'bornMs' => round((hrtime(true) - $this->bornNs) / 1e6, 3),
            ]);
        } catch (\Throwable $thrown) {
            $good = false;
            $meta = self::members(['outcome' => 'exception', 'exception' => Runtime::describe($thrown)]);
            unset($thrown);
        }

        return $this->finish($meta, $payload, false) && $good;
    }

    /** Everything that belongs to a call is done when its answer is written: then the gateway counts it as over. */
    private function finish(string $meta, string $payload, bool $resets): bool
    {
        $this->endFork();
        $this->finishing = true;
        $request = $this->request;
        $leaks = [];
        $more = '';
        if ($this->call !== null) {
            if ($this->debugged) {
                Hooks::after();
            }
            if ($resets) {
                $leaks = $this->reset($this->call->takeResets());
            }
            $logs = $this->call->logs();
            if ($logs !== []) {
                $more = ',' . self::members(['logs' => $logs, 'droppedLogs' => $this->call->droppedLogs()]);
            }
            $call = $this->call;
            $this->call = $logs = null;
            $this->release($call);
        }
        error_clear_last();
        $request->uploads?->remove();
        for ($tries = 0, $printed = null; $printed === null; ++$tries) {
            try {
                $printed = Printed::take();
            } catch (\Throwable $thrown) {
                // The callback of a buffer that the handler left open: each is removed by being asked.
                $meta = self::members(['outcome' => 'exception', 'exception' => Runtime::describe($thrown)]);
                $payload = '';
                $this->release($thrown);
                if ($tries >= self::MAX_TRIES) {
                    throw new \RuntimeException('an output buffer that cannot be ended');
                }
            }
        }
        if (Printed::$ran) {
            Printed::$ran = false;
            // So may the callback of a buffer that was left open.
            $this->endFork();
        }
        $meta .= $more;
        $stderr = $this->stderr->take();
        if (Printed::wentPast()) {
            // Among what was logged: only the first bytes of it are told in either place.
            $printed += ['stray' => substr($stderr, 0, Runtime::MAX_STRAY_BYTES), 'strayBytes' => strlen($stderr)];
        }
        if ($printed !== []) {
            $meta .= ',' . self::members($printed);
        }
        if ($resets) {
            $printed = Printed::leaks();
            $found = $this->sentinel === null ? [] : $this->compare($this->sentinel);
            // Nearly always there are none.
            if ($found !== [] || $leaks !== [] || $printed !== []) {
                $meta .= ',' . self::members(['leaks' => [...$leaks, ...$printed, ...$found]]);
            }
        }
        $meta = '{' . $meta . ',' . $this->usage->end() . ',"served":' . $this->served . ',"memoryBytes":' . memory_get_usage() . '}';
        $sent = $this->reply->envelope(
            $request->id,
            'FPMG1 ' . $this->attemptId . ' ' . strlen($meta) . ' ' . strlen($payload) . "\n" . $meta,
            $payload,
            $stderr,
        );
        $this->request = null;
        $this->finishing = false;

        return $sent;
    }

    /**
     * @param list<callable(): void> $hooks
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    private function reset(array $hooks): array
    {
        $leaks = [];
        try {
            $leaks = Resets::leaks($hooks);
        } catch (\Throwable $thrown) {
            $this->tell($thrown);
            $this->release($thrown);
        }
        if (Resets::$ran) {
            Resets::$ran = false;
            // A hook may have forked, and this be what it forked. Asking takes 0.3 µs: only behind hooks.
            $this->endFork();
            $this->release($hooks);
        }

        return $leaks;
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    private function compare(Sentinel $sentinel): array
    {
        try {
            $found = $sentinel->afterCall($this->function, $this->startedNs);
        } catch (\Throwable $thrown) {
            // Of a destructor that the collection of garbage ran: the answer is known, and is not changed.
            $found = [];
            $this->tell($thrown);
            $this->release($thrown);
        }
        if ($this->late === []) {
            return $found;
        }
        $late = $this->late;
        $this->late = [];

        return [...$found, ...$sentinel->news($late)];
    }

    /**
     * Lets go of what a call held. A destructor may throw, and what it throws may hold the next one: the answer is
     * known, and is not changed.
     */
    private function release(mixed &$held): void
    {
        for ($tries = 0; $held !== null && $tries < self::MAX_TRIES; ++$tries) {
            try {
                $held = null;
            } catch (\Throwable $thrown) {
                $this->tell($thrown);
                $held = $thrown;
                unset($thrown);
            }
        }
    }

    /** Of what threw behind the handler. */
    private function tell(\Throwable $thrown): void
    {
        $this->late[] = [
            'kind' => 'destructor',
            'name' => $thrown::class,
            'detail' => sprintf('%s in %s:%d', Leak::cut($thrown->getMessage()), $thrown->getFile(), $thrown->getLine()),
            'restored' => false,
        ];
    }

    private static function thrown(\Throwable $thrown, string &$payload): string
    {
        // A result may be encoded, and its destructor throw.
        $payload = '';

        return $thrown instanceof Failure
            ? self::failure($thrown, $payload)
            : self::members(['outcome' => 'exception', 'exception' => Runtime::describe($thrown)]);
    }

    private static function failure(Failure $failure, string &$payload): string
    {
        try {
            $payload = json_encode($failure->data, Runtime::PAYLOAD_FLAGS);
        } catch (\JsonException $unencodable) {
            return self::members(['outcome' => 'unencodable', 'message' => $unencodable->getMessage()]);
        } catch (\Throwable $thrown) {
            // Of data that writes itself.
            return self::members(['outcome' => 'exception', 'exception' => Runtime::describe($thrown)]);
        }

        return self::members(['outcome' => 'failure', 'code' => $failure->failureCode, 'message' => $failure->getMessage()]);
    }

    /** @param array<string, mixed> $meta */
    private static function members(array $meta): string
    {
        return substr((string) json_encode($meta, Runtime::META_FLAGS), 1, -1);
    }
}
