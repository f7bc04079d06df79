<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Call;
use FpmGateway\Debug\Hooks;
use FpmGateway\Outcome;
use FpmGateway\Resets;
use FpmGateway\Runtime;

use function error_clear_last;
use function explode;
use function memory_get_usage;
use function strlen;
use function strpos;
use function substr;

/**
 * Runs one attempt after the other, each from its request to its answer: the handler, what it left behind, and the
 * envelope that tells of both. The envelope is the one of Runtime.php.
 */
final class Attempts implements Pieces
{
    private ?Request $request = null;
    private ?Signals $signals = null;
    /** @var list<callable(): void>|null of a call that ended PHP */
    private ?array $hooks = null;
    private string $attemptId = '';
    private string $function = '';
    private ?Call $call = null;
    private bool $finishing = false;
    private int $served = 0;
    /** `dev --xdebug` has loaded what looks at each call. */
    private readonly bool $debugged;
    private readonly Handling $handling;
    private readonly Behind $behind;
    private readonly Priming $priming;
    private int $startedNs = 0;
    private ?string $reserve;

    public function __construct(
        private readonly Application $application,
        private readonly Reply $reply,
        private readonly Usage $usage,
        private readonly Stderr $stderr,
        private readonly ?Sentinel $sentinel,
        private readonly int $pid,
        int $bornNs,
    ) {
        // Freed when memory has run out, so that the envelope can still be written.
        $this->reserve = str_repeat('x', Runtime::RESERVE_BYTES);
        $this->debugged = class_exists(Hooks::class, false);
        $this->handling = new Handling($application, $this->debugged);
        $this->behind = new Behind($sentinel, $pid);
        $this->priming = new Priming($application, $bornNs);
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
            $meta = $this->handling->run($parts[0], $request, $this->call, $this, $payload);
            $this->behind->late = $this->signals?->end() ?? [];
        } catch (\Throwable $thrown) {
            $this->behind->late = $this->signals?->end() ?? [];
            if ($this->reply->within) {
                throw new \RuntimeException('a piece of a stream was cut by an exception, as of a signal\'s handler');
            }
            $meta = Handling::thrown($thrown, $payload);
            // It holds what it was given, and may be held by nothing else.
            $this->behind->release($thrown);
        }

        return $this->finish($meta, $payload, true);
    }

    /** When the application is loaded. */
    public function loaded(?Signals $signals): void
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
        Fork::endIn($this->pid);
        $this->signals?->end();
        $fatal = Outcome::fatal();
        if ($fatal !== null) {
            $this->call?->cancellation()?->runIfEnded();
        }
        if ($this->request === null || $this->reply->within) {
            return;
        }
        $this->reserve = null;
        // What the handler holds is still there. This process ends in any case: its answer may take what it needs.
        @ini_set('memory_limit', '-1');
        if ($fatal === null && !$this->finishing && $this->call !== null) {
            $this->hooks = $this->call->takeResets();
        }
        $this->behind->late = [];
        $this->finish(Handling::members($fatal ?? ['outcome' => 'exit']), '', false);
    }

    /** An answer of a stream begins with its head. */
    public function begin(string $id): void
    {
        Fork::endIn($this->pid);
        $this->sent($this->reply->beginStream($id));
    }

    /** This blocks while the reader is slow. */
    public function send(string $id, string $type, string $piece): void
    {
        Fork::endIn($this->pid);
        $this->sent($this->reply->frame($id, $type, $piece));
    }

    private function sent(bool $sent): void
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
        $meta = $this->priming->run($this->loaded(...), $payload, $good);

        return $this->finish($meta, $payload, false) && $good;
    }

    /** Everything that belongs to a call is done when its answer is written: then the gateway counts it as over. */
    private function finish(string $meta, string $payload, bool $resets): bool
    {
        Fork::endIn($this->pid);
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
                $more = ',' . Handling::members(['logs' => $logs, 'droppedLogs' => $this->call->droppedLogs()]);
            }
            $call = $this->call;
            $this->call = $logs = null;
            $this->behind->release($call);
        }
        error_clear_last();
        $request->uploads?->remove();
        $printed = $this->behind->printed($meta, $payload);
        $meta .= $more;
        $stderr = $this->stderr->take();
        if (Printed::wentPast()) {
            // Among what was logged: only the first bytes of it are told in either place.
            $printed += ['stray' => substr($stderr, 0, Runtime::MAX_STRAY_BYTES), 'strayBytes' => strlen($stderr)];
        }
        if ($printed !== []) {
            $meta .= ',' . Handling::members($printed);
        }
        if ($resets) {
            $printed = Printed::leaks();
            $found = $this->behind->compare($this->function, $this->startedNs);
            // Nearly always there are none.
            if ($found !== [] || $leaks !== [] || $printed !== []) {
                $meta .= ',' . Handling::members(['leaks' => [...$leaks, ...$printed, ...$found]]);
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
            $this->behind->tell($thrown);
        }
        if (Resets::$ran) {
            Resets::$ran = false;
            // A hook may have forked, and this be what it forked. Asking takes time: only behind hooks.
            Fork::endIn($this->pid);
            $this->behind->release($hooks);
        }

        return $leaks;
    }
}
