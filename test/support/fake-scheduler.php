<?php

declare(strict_types=1);

namespace FpmGateway\Tests;

use FpmGateway\Call;
use FpmGateway\Cancelled;
use FpmGateway\DeadlineExceeded;
use FpmGateway\Scheduler;
use FpmGateway\Wait;

/** What runs the calls of a concurrent worker, without the wire: nested calls go to a closure. */
final class FakeScheduler implements Scheduler
{
    /** @var array<int, array{call: ?Call, fiber: \Fiber, deadlineMs: float}> */
    private array $tasks = [];
    /** @var array<int, array{read: array, write: array, untilMs: float, select: bool, woken: bool}> by task */
    private array $waits = [];
    /** @var array<int, array<int, string>> by task */
    private array $answers = [];
    /** @var array<int, list<callable>> by task */
    private array $hooks = [];
    /** @var array<int, array{int, string, float}> task, message and time of those that are answered later */
    private array $nested = [];
    /** @var array<int, true> that are to be cancelled */
    private array $aborted = [];
    private ?int $running = null;
    private int $number = 0;
    private int $begun = 0;
    /** @var list<string> */
    public array $messages = [];
    /** @var list<int> */
    public array $cancelled = [];
    /** @var array<int, array{mixed, ?\Throwable}> by task */
    public array $ended = [];
    public int $suspensions = 0;

    /** @param (\Closure(array, string): array{int, array, mixed, float}|null)|null $gateway head and body in, status, headers, body and delay out; null: never */
    public function __construct(private readonly ?\Closure $gateway = null)
    {
        Wait::$scheduler = $this;
    }

    /** @param \Closure(Call): mixed $handler */
    public function begin(\Closure $handler, float $budgetMs = 5000.0): int
    {
        $task = ++$this->begun;
        $traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
        $call = new Call("01900000-0000-7000-8000-00000000000$task", 'outer', 1, hrtime(true), $budgetMs, $traceparent);
        $fiber = new \Fiber(function (Call $call) use ($task, $handler): void {
            try {
                $this->ended[$task] = [$handler($call), null];
            } catch (\Throwable $thrown) {
                $this->ended[$task] = [null, $thrown];
            }
            unset($handler);
            $leaks = \FpmGateway\Resets::leaks($call->takeResets());
            if ($leaks !== []) {
                $this->ended[$task][2] = $leaks;
            }
        });
        $this->tasks[$task] = ['call' => $call, 'fiber' => $fiber, 'deadlineMs' => hrtime(true) / 1e6 + $budgetMs];
        $this->answers[$task] = [];
        $this->hooks[$task] = [];
        $this->step($task, static fn (\Fiber $fiber) => $fiber->start($call));

        return $task;
    }

    /** Until all have ended. */
    public function run(): void
    {
        while ($this->tasks !== []) {
            $this->turn();
        }
    }

    /** @param list<\Closure(Call): mixed> $handlers @return list<mixed> results, or what was thrown */
    public static function all(array $handlers, ?\Closure $gateway = null, float $budgetMs = 5000.0): array
    {
        $loop = new self($gateway);
        $tasks = array_map(static fn (\Closure $handler): int => $loop->begin($handler, $budgetMs), $handlers);
        $loop->run();

        return array_map(static fn (int $task): mixed => $loop->ended[$task][1] ?? $loop->ended[$task][0], $tasks);
    }

    /** Its Fiber is dropped where it waits. */
    public function drop(int $task): void
    {
        $this->end($task);
    }

    public function abort(int $task): void
    {
        $this->aborted[$task] = true;
    }

    public function turn(): void
    {
        $now = hrtime(true) / 1e6;
        foreach ($this->nested as $number => [$task, $message, $atMs]) {
            if ($atMs <= $now) {
                unset($this->nested[$number]);
                if (isset($this->tasks[$task])) {
                    $this->answers[$task][$number] = $message;
                    if (isset($this->waits[$task]) && $this->waits[$task]['select']) {
                        $this->waits[$task]['woken'] = true;
                    }
                }
            }
        }
        $read = $write = [];
        $untilMs = min([INF, ...array_column($this->nested, 2)]);
        foreach ($this->waits as $task => $wait) {
            foreach ($wait['read'] as $key => $stream) {
                $read["$task $key"] = $stream;
            }
            foreach ($wait['write'] as $key => $stream) {
                $write["$task $key"] = $stream;
            }
            $untilMs = $wait['woken'] || isset($this->aborted[$task]) ? $now : min($untilMs, $wait['untilMs'], $this->tasks[$task]['deadlineMs']);
        }
        $us = (int) ceil(max(0.0, min($untilMs - $now, 50.0)) * 1000);
        $except = null;
        if ($read === [] && $write === []) {
            usleep($us);
        } elseif (@stream_select($read, $write, $except, 0, $us) === false) {
            $read = $write = [];
        }
        $ready = [];
        foreach (array_keys($read) as $key) {
            [$task, $name] = explode(' ', $key, 2);
            $ready[$task][0][] = is_numeric($name) ? (int) $name : $name;
        }
        foreach (array_keys($write) as $key) {
            [$task, $name] = explode(' ', $key, 2);
            $ready[$task][1][] = is_numeric($name) ? (int) $name : $name;
        }
        $now = hrtime(true) / 1e6;
        foreach ($this->waits as $task => $wait) {
            $due = $this->tasks[$task]['deadlineMs'] <= $now;
            $aborted = isset($this->aborted[$task]);
            if ($due || $aborted || isset($ready[$task]) || $wait['woken'] || $wait['untilMs'] <= $now) {
                unset($this->waits[$task], $this->aborted[$task]);
                if ($due || $aborted) {
                    $this->tasks[$task]['deadlineMs'] = INF;
                    $this->step($task, static fn (\Fiber $fiber) => $fiber->throw($aborted ? new Cancelled('cancelled') : new DeadlineExceeded('late')));
                } else {
                    $this->step($task, static fn (\Fiber $fiber) => $fiber->resume([$ready[$task][0] ?? [], $ready[$task][1] ?? []]));
                }
            }
        }
    }

    public function sleep(float $ms): void
    {
        $this->suspend([], [], $ms, false);
    }

    public function wake(object $owner): void
    {
        foreach ($this->tasks as $task => ['call' => $call]) {
            if ($call === $owner && isset($this->waits[$task])) {
                $this->waits[$task]['woken'] = true;
            }
        }
    }

    public function select(array $read, array $write, float $waitMs): array
    {
        // As strict as it may be: answers that nobody takes end each wait.
        if ($this->running !== null && $this->answers[$this->running] !== []) {
            return [[], []];
        }

        return $this->suspend($read, $write, $waitMs, true);
    }

    private function suspend(array $read, array $write, float $ms, bool $select): array
    {
        if ($this->running === null) {
            usleep((int) ($ms * 1000));

            return [[], []];
        }
        if (\Fiber::getCurrent() !== $this->tasks[$this->running]['fiber']) {
            throw new \LogicException('a Fiber of the handler');
        }
        ++$this->suspensions;
        $this->waits[$this->running] = ['read' => $read, 'write' => $write, 'untilMs' => hrtime(true) / 1e6 + $ms, 'select' => $select, 'woken' => false];

        return \Fiber::suspend();
    }

    public function call(string $message): int
    {
        if ($this->running === null || \Fiber::getCurrent() !== $this->tasks[$this->running]['fiber']) {
            throw new \LogicException('a Fiber of the handler');
        }
        $this->messages[] = $message;
        $number = ++$this->number;
        [$head, $body] = explode("\n", $message, 2);
        $answer = $this->gateway === null ? null : ($this->gateway)(json_decode($head, true), $body);
        if ($answer !== null) {
            [$status, $headers, $value, $delayMs] = $answer;
            $headers += ['content-type' => 'application/json', 'fpm-gateway-protocol' => '1', 'trace-id' => 't'];
            $text = json_encode(['status' => $status, 'headers' => $headers]) . "\n" . (is_string($value) ? $value : json_encode($value));
            $this->nested[$number] = [$this->running, $text, hrtime(true) / 1e6 + $delayMs];
        }

        return $number;
    }

    public function cancel(int $number): void
    {
        $this->cancelled[] = $number;
        unset($this->nested[$number]);
    }

    public function answers(): array
    {
        if ($this->running === null) {
            return [];
        }
        $answers = $this->answers[$this->running];
        $this->answers[$this->running] = [];

        return $answers;
    }

    public function owner(): ?object
    {
        return $this->running === null ? null : $this->tasks[$this->running]['call'];
    }

    public function atEnd(callable $hook): void
    {
        if ($this->running !== null) {
            $this->hooks[$this->running][] = $hook;
        }
    }

    /** @param \Closure(\Fiber): mixed $go */
    private function step(int $task, \Closure $go): void
    {
        $before = $this->running;
        $this->running = $task;
        try {
            $go($this->tasks[$task]['fiber']);
        } finally {
            $this->running = $before;
        }
        if ($this->tasks[$task]['fiber']->isTerminated()) {
            $this->end($task);
        }
    }

    private function end(int $task): void
    {
        $hooks = $this->hooks[$task];
        unset($this->waits[$task], $this->hooks[$task], $this->answers[$task]);
        $this->running = $task;
        foreach ($hooks as $hook) {
            $hook();
        }
        $this->running = null;
        unset($this->tasks[$task]);
    }
}
