<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\Scheduler;
use FpmGateway\Wait;

/**
 * Calls that go over the socket on which the worker itself serves, in workers that run many calls at once: there a
 * connection for each would cost a descriptor and three times the CPU.
 *
 * @internal
 */
final class Nested
{
    /** @var array<int, CallTransfer> by number: on their way */
    private array $calls = [];

    /** @var \WeakMap<object, Loop>|null by the call that it is of */
    private static ?\WeakMap $loops = null;

    public function __construct(private readonly Scheduler $scheduler)
    {
    }

    public static function belongs(object $owner, Loop $loop): void
    {
        self::$loops ??= new \WeakMap();
        self::$loops[$owner] = $loop;
    }

    /** What came for the running call while it waited for something else. */
    public static function receive(): void
    {
        $owner = self::$loops === null ? null : Wait::$scheduler?->owner();
        if ($owner !== null) {
            (self::$loops[$owner] ?? null)?->receive();
        }
    }

    /** Others have a body made in pieces, or an answer taken in pieces: they use a connection. */
    public static function takes(Transfer $transfer): bool
    {
        return $transfer instanceof CallTransfer && $transfer->request->body->bytes !== null;
    }

    /** @throws \LogicException in a Fiber of the handler's own */
    public function begin(CallTransfer $transfer): void
    {
        $this->calls[$this->scheduler->call($transfer->request->message($transfer->deadline->leftMs()))] = $transfer;
        $transfer->sent();
    }

    /** @return list<array{CallTransfer, string}> what has come, each with its answer */
    public function answers(): array
    {
        $answers = [];
        foreach ($this->scheduler->answers() as $number => $message) {
            // One that nobody wants any more may have been on its way already.
            if (isset($this->calls[$number])) {
                $answers[] = [$this->calls[$number], $message];
                unset($this->calls[$number]);
            }
        }

        return $answers;
    }

    /** @throws CallFailed */
    public static function feed(CallTransfer $transfer, string $message): void
    {
        $transfer->answered();
        $end = strpos($message, "\n");
        $head = json_decode(substr($message, 0, (int) $end), true);
        if ($end === false || !is_array($head) || !is_int($head['status'] ?? null) || !is_array($head['headers'] ?? null)) {
            throw $transfer->failure('bad-answer', 'The answer has no head that says status and headers.');
        }
        $transfer->takeHead(new Head($head['status'], true, $head['headers']));
        $transfer->onBody(substr($message, $end + 1));
        $transfer->end();
    }

    /** @return list<CallTransfer> */
    public function all(): array
    {
        return array_values($this->calls);
    }

    /** Nobody wants its answer any more: the gateway hears of it. */
    public function drop(Transfer $transfer): void
    {
        $number = array_search($transfer, $this->calls, true);
        if ($number !== false) {
            unset($this->calls[$number]);
            $this->scheduler->cancel($number);
        }
    }

    /** They are the parent's, behind a fork; or their call has ended, which the gateway sees by itself. */
    public function leave(): void
    {
        $this->calls = [];
    }

    public function counted(): int
    {
        $counted = 0;
        foreach ($this->calls as $transfer) {
            $counted += $transfer->isCounted() ? 1 : 0;
        }

        return $counted;
    }

    /** When one of them must be looked at although nothing has come. */
    public function dueAtMs(): float
    {
        $dueAtMs = INF;
        foreach ($this->calls as $transfer) {
            $dueAtMs = min($dueAtMs, $transfer->endsAtMs());
        }

        return $dueAtMs;
    }
}
