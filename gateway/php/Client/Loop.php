<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\Pooling\Places;
use FpmGateway\Pooling\Sockets;
use FpmGateway\Wait;

/**
 * Moves all calls of a client on, whoever of them is waited for: one `stream_select` for all connections.
 *
 * @internal
 */
final class Loop
{
    private const BUSY_GATEWAY_MS = 5.0;

    /** @var array<int, Connection> by object id */
    private array $busy = [];
    /** @var list<Connection> the one used last is at the end */
    private array $idle = [];
    private readonly Waiting $waiting;
    /** @var list<\Closure(): void> callbacks of the application that are due */
    private array $due = [];
    private int $pid;
    /** @var \WeakReference<object>|null in a worker that runs many calls at once: the one that made this */
    private readonly ?\WeakReference $owner;
    /** @var list<Transfer> that need a socket, and have no place for one yet */
    private array $inLine = [];

    /**
     * @param Nested|null $nested   takes the calls it can, instead of connections
     * @param bool        $isClosed by who made it, in any case
     */
    public function __construct(private readonly Options $options, private readonly ?Nested $nested, bool $isClosed)
    {
        $this->waiting = new Waiting();
        $this->pid = (int) getmypid();
        $owner = self::isAmongMany() ? Wait::$scheduler?->owner() : null;
        $this->owner = $owner === null ? null : \WeakReference::create($owner);
        if ($owner !== null && !$isClosed) {
            // What is held by nobody any more but by itself would keep its sockets until PHP collects its garbage.
            Wait::$scheduler?->atEnd($this->close(...));
            if ($nested !== null) {
                Nested::belongs($owner, $this);
            }
        }
    }

    public function add(Transfer $transfer): void
    {
        $this->leaveToParent();
        $this->assertOwn();
        if (!$transfer->isCounted()) {
            $this->start($transfer, false);

            return;
        }
        $this->waiting->add($transfer);
        $this->startWaiting();
    }

    /** Runs what the application asked to be told, behind everything that happens now. */
    public function later(\Closure $callback): void
    {
        $this->due[] = $callback;
    }

    /** @param callable(): bool $isTrue */
    public function until(callable $isTrue): void
    {
        while (!$isTrue()) {
            $this->turn(INF);
        }
    }

    /** Until it is written, waits for its place, or is over. False: it was too late for that. */
    public function untilSent(Transfer $transfer, Deadline $deadline): bool
    {
        while (!$transfer->isSent() && !$transfer->isOver() && ($this->connectionOf($transfer) !== null || $this->waiting->isDelayed($transfer))) {
            if ($deadline->leftMs() <= 0) {
                return false;
            }
            $this->turn($deadline->leftMs());
        }

        return true;
    }

    /** Waits for at most so long until something can be done, and does it. What is waited for is looked at behind it. */
    public function turn(float $waitMs): void
    {
        $this->leaveToParent();
        $this->assertOwn();
        // Before it waits: what came meanwhile would not end the wait.
        $this->receive();
        $waitMs = $this->due === [] && !$this->readHeld() ? min($waitMs, $this->nextMs() - Deadline::nowMs()) : 0.0;
        // Those that look without waiting let others run, or nothing would ever come.
        if ($this->nested === null || $this->due === [] || $this->busy !== []) {
            $this->look($waitMs);
        }
        $this->receive();
        $this->endLate();
        $this->startInLine();
        $this->startWaiting();
        while (($callback = array_shift($this->due)) !== null) {
            $callback();
        }
    }

    /** Takes what has come already. It suspends nobody. */
    public function glance(): void
    {
        $this->leaveToParent();
        $this->assertOwn();
        $this->receive();
    }

    public function isNested(): bool
    {
        return $this->nested !== null;
    }

    private function look(float $waitMs): void
    {
        if ($this->nested === null && $this->owner !== null) {
            // Answers to calls of the same handler, which this loop has not made, would end this wait at once, again and again.
            Nested::receive();
        }
        try {
            $ready = Readiness::of($this->busy, $waitMs);
        } catch (Broken $cannotWait) {
            $ready = [];
            $this->failAll($cannotWait);
        }
        foreach ($ready as [$connection, $isReadable, $isWritable]) {
            $this->move($connection, $isReadable, $isWritable);
        }
    }

    /** What has come over the worker's own socket. */
    public function receive(): void
    {
        foreach ($this->nested?->answers() ?? [] as [$transfer, $message]) {
            try {
                Nested::feed($transfer, $message);
            } catch (CallFailed $failure) {
                $this->failed($transfer, $failure);
            }
        }
    }

    /** It is over: what still comes for it is of no use. */
    public function drop(Transfer $transfer): void
    {
        $this->nested?->drop($transfer);
        $connection = $this->connectionOf($transfer);
        if ($connection !== null) {
            $this->closeOne($connection);
        }
    }

    private function connectionOf(Transfer $transfer): ?Connection
    {
        foreach ($this->busy as $connection) {
            if ($connection->transfer() === $transfer) {
                return $connection;
            }
        }

        return null;
    }

    private function hasPlace(): bool
    {
        $counted = $this->nested?->counted() ?? 0;
        foreach ($this->busy as $connection) {
            $counted += $connection->transfer()?->isCounted() === true ? 1 : 0;
        }

        return $counted < $this->options->concurrency;
    }

    private function startWaiting(): void
    {
        while (($transfer = $this->waiting->take($this->hasPlace())) !== null) {
            if (!$transfer->isOver()) {
                $this->start($transfer, false);
            }
        }
    }

    private function start(Transfer $transfer, bool $fresh): void
    {
        $transfer->begin();
        if ($transfer->endsAtMs() <= Deadline::nowMs()) {
            $transfer->fail($this->late($transfer));

            return;
        }
        if ($this->nested !== null && $transfer instanceof CallTransfer && Nested::takes($transfer)) {
            $this->startNested($this->nested, $transfer);

            return;
        }
        if ($this->owner !== null) {
            $transfer->place ??= Sockets::ask();
            if (!$transfer->place->isGranted()) {
                $this->inLine[] = $transfer;

                return;
            }
        }
        try {
            $connection = ($fresh ? null : $this->takeIdle()) ?? Connection::open($this->options, $transfer->endsAtMs() - Deadline::nowMs());
        } catch (Broken $broken) {
            // PHP may give up connecting within the last millisecond.
            $failure = $transfer->endsAtMs() <= Deadline::nowMs() + 1 ? $this->late($transfer) : $transfer->failure('network-failed', $broken->getMessage(), $broken);
            $this->failed($transfer, $failure);

            return;
        }
        if ($connection === null) {
            $this->waitForGateway($transfer);

            return;
        }
        $transfer->refusedSinceMs = null;
        $this->busy[spl_object_id($connection)] = $connection;
        $connection->begin($transfer);
        if ($connection->isReady()) {
            $this->move($connection, false, true);
        }
    }

    private function startNested(Nested $nested, CallTransfer $transfer): void
    {
        try {
            $nested->begin($transfer);
        } catch (\Throwable $refused) {
            $transfer->fail($transfer->failure('cancelled', sprintf('It could not be sent: %s', $refused->getMessage()), $refused));

            throw $refused;
        }
    }

    private function startInLine(): void
    {
        if ($this->inLine !== []) {
            Sockets::sweep();
        }
        foreach ($this->inLine as $key => $transfer) {
            if ($transfer->isOver() || $transfer->place?->isGranted() === true) {
                unset($this->inLine[$key]);
                if (!$transfer->isOver()) {
                    $this->start($transfer, false);
                }
            }
        }
    }

    /** It is there, but takes no more connections at this moment. */
    private function waitForGateway(Transfer $transfer): void
    {
        $transfer->refusedSinceMs ??= Deadline::nowMs();
        if (Deadline::nowMs() - $transfer->refusedSinceMs < $this->options->connectTimeoutMs) {
            $this->waiting->addLater($transfer, self::BUSY_GATEWAY_MS);
        } else {
            $transfer->refusedSinceMs = null;
            $this->failed($transfer, $this->tooLongToConnect($transfer));
        }
    }

    private function tooLongToConnect(Transfer $transfer): CallFailed
    {
        return $transfer->failure('network-failed', sprintf(
            'Cannot connect to %s: it took longer than connectTimeoutMs, %d ms.',
            $this->options->address->target,
            $this->options->connectTimeoutMs,
        ));
    }

    private function takeIdle(): ?Connection
    {
        while (($connection = array_pop($this->idle)) !== null) {
            if ($connection->isAlive()) {
                return $connection;
            }
            $connection->close();
        }

        return null;
    }

    private function move(Connection $connection, bool $isReadable, bool $isWritable): void
    {
        $transfer = $connection->transfer();
        // Code of the application may have run for one before it in the same turn, and have ended this.
        if ($transfer === null || !isset($this->busy[spl_object_id($connection)])) {
            return;
        }
        try {
            if ($isReadable) {
                $connection->onReadable();
            }
            if ($isWritable && !$connection->hasAnswer()) {
                $connection->onWritable();
            }
        } catch (Broken $broken) {
            $this->broke($connection, $transfer, $broken);

            return;
        } catch (CallFailed $failure) {
            $this->closeOne($connection);
            $this->failed($transfer, $failure);

            return;
        } catch (\Throwable $ofApplication) {
            $this->closeOne($connection);
            $transfer->fail($transfer->failure('cancelled', sprintf('What was to be sent could not be made: %s', $ofApplication->getMessage()), $ofApplication));

            throw $ofApplication;
        }
        if ($connection->hasAnswer()) {
            $this->end($connection, $transfer);
        }
    }

    private function end(Connection $connection, Transfer $transfer): void
    {
        unset($this->busy[spl_object_id($connection)]);
        // Thousands of calls that keep a few each would leave no socket to the others.
        if ($this->owner === null && $connection->release() && count($this->idle) < $this->options->concurrency) {
            $this->idle[] = $connection;
        } else {
            $connection->close();
        }
        try {
            $transfer->end();
        } catch (CallFailed $failure) {
            $this->failed($transfer, $failure);
        }
    }

    private function broke(Connection $connection, Transfer $transfer, Broken $broken): void
    {
        $this->closeOne($connection);
        if ($connection->isReused() && $transfer->mayMove()) {
            $this->start($transfer, true);

            return;
        }
        $this->failed($transfer, $transfer->failure('network-failed', $broken->getMessage(), $broken));
    }

    private function failed(Transfer $transfer, CallFailed $failure): void
    {
        $failure = $transfer->ofAll($failure);
        $delayMs = $transfer->isOver() ? null : $transfer->retryAfterMs($failure);
        if ($delayMs === null) {
            $transfer->fail($failure);
        } else {
            // What was known of the last attempt must not be told of the next one.
            $transfer->begin();
            $this->waiting->addLater($transfer, $delayMs);
        }
    }

    private function closeOne(Connection $connection): void
    {
        unset($this->busy[spl_object_id($connection)]);
        $connection->close();
    }

    /** Ends what has used up its time. */
    private function endLate(): void
    {
        $nowMs = Deadline::nowMs();
        foreach ($this->busy as $connection) {
            $transfer = $connection->transfer();
            if ($transfer === null || $connection->dueAtMs() > $nowMs) {
                continue;
            }
            $this->closeOne($connection);
            if ($transfer->endsAtMs() <= $nowMs) {
                $transfer->fail($this->late($transfer));
            } else {
                $this->failed($transfer, $this->tooLongToConnect($transfer));
            }
        }
        foreach ($this->nested?->all() ?? [] as $transfer) {
            if ($transfer->endsAtMs() <= $nowMs) {
                $this->nested?->drop($transfer);
                $transfer->fail($this->late($transfer));
            }
        }
        foreach ($this->inLine as $transfer) {
            if ($transfer->endsAtMs() <= $nowMs) {
                $transfer->fail($transfer->failure('client-timeout', 'The time of the call was over while it waited in line: ' . Sockets::why()));
            }
        }
        foreach ($this->waiting->takeLate() as $transfer) {
            $transfer->fail($this->late($transfer));
        }
    }

    private function late(Transfer $transfer): CallFailed
    {
        return $transfer->failure('client-timeout', $transfer->lateText());
    }

    /** When something has to be done even if nothing comes. */
    private function nextMs(): float
    {
        $nextMs = min($this->waiting->nextMs($this->hasPlace()), $this->nested?->dueAtMs() ?? INF);
        foreach ($this->inLine as $transfer) {
            $nextMs = min($nextMs, $transfer->endsAtMs(), Deadline::nowMs() + Places::LOOK_MS);
        }
        foreach ($this->busy as $connection) {
            $nextMs = min($nextMs, $connection->dueAtMs());
        }

        return $nextMs;
    }

    /** What TLS has decoded already, and `stream_select` would wait for. */
    private function readHeld(): bool
    {
        $hasRead = false;
        foreach ($this->busy as $connection) {
            if ($connection->mayHoldBytes() && $connection->wantsRead()) {
                $before = $connection->readBytes();
                $this->move($connection, true, false);
                $hasRead = $hasRead || $connection->readBytes() !== $before;
            }
        }

        return $hasRead;
    }

    private function failAll(Broken $broken): void
    {
        foreach ($this->busy as $connection) {
            $transfer = $connection->transfer();
            $this->closeOne($connection);
            $transfer?->fail($transfer->failure('network-failed', $broken->getMessage(), $broken));
        }
    }

    /** Behind a fork the connections are the parent's: two processes would read each other's answers. */
    private function leaveToParent(): void
    {
        if ($this->pid === getmypid()) {
            return;
        }
        $this->pid = (int) getmypid();
        $transfers = array_map(static fn (Connection $connection): ?Transfer => $connection->transfer(), $this->busy);
        array_push($transfers, ...$this->waiting->takeAll(), ...$this->inLine, ...$this->nested?->all() ?? []);
        $this->nested?->leave();
        $this->inLine = [];
        foreach ([...$this->busy, ...$this->idle] as $connection) {
            $connection->leave();
        }
        $this->busy = $this->idle = [];
        foreach ($transfers as $transfer) {
            $transfer?->fail($transfer->failure('cancelled', 'This process was forked: the call belongs to its parent.'));
        }
    }

    /** Callers in other applications have this folder only: see Readiness. */
    private static function isAmongMany(): bool
    {
        return class_exists(Wait::class, false) && Wait::$scheduler !== null;
    }

    /** Two calls that wait for one client would take each other's answers away. */
    public function assertOwn(): void
    {
        if (self::isAmongMany() && Wait::$scheduler?->owner() !== $this->owner?->get()) {
            throw new \LogicException('This client is not of the call that uses it. In a worker that runs many calls at once each has its own: use $call->client(), or Client::connect() in the handler.');
        }
    }

    /** Nobody waits any more. What it left open ends with it. */
    public function close(): void
    {
        foreach ([...$this->busy, ...$this->idle] as $connection) {
            $connection->close();
        }
        $this->waiting->takeAll();
        $this->nested?->leave();
        $this->busy = $this->idle = $this->inLine = $this->due = [];
    }
}
