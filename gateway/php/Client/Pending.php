<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/** A call that was sent. It moves on whenever something of its client is waited for. */
final class Pending
{
    private ?Result $result = null;
    private bool $isNoticed = false;
    /** @var list<callable(mixed): mixed> */
    private array $onResult = [];
    /** @var list<callable(CallFailed): mixed> */
    private array $onFailure = [];
    /** @var list<\Closure(): mixed> */
    private array $watchers = [];
    private ?CallTransfer $transfer = null;

    /** @internal */
    public function __construct(
        private readonly Client $client,
        private readonly ?Loop $loop,
        public readonly string $function,
        public readonly string $requestId,
    ) {
    }

    /** The result, waited for. @throws CallFailed */
    public function wait(): mixed
    {
        return $this->result()->get();
    }

    /** What became of it, waited for. */
    public function result(): Result
    {
        $this->loop?->until($this->isOver(...));
        $this->client->taken($this);

        return $this->result ?? throw new \LogicException('A call ended without a result.');
    }

    /** Moves all calls on as far as they go without waiting. */
    public function isDone(): bool
    {
        if ($this->result === null) {
            $this->loop?->turn(0.0);
        }

        return $this->result !== null;
    }

    /**
     * Called with the result once it is there, while something of the client is waited for; at once if it is there.
     *
     * @param callable(mixed): mixed $callback
     */
    public function onResult(callable $callback): self
    {
        $this->onResult[] = $callback;
        if ($this->isNoticed && $this->result !== null && $this->result->failure === null) {
            $this->client->taken($this);
            $callback($this->result->get());
        }

        return $this;
    }

    /** @param callable(CallFailed): mixed $callback */
    public function onFailure(callable $callback): self
    {
        $this->onFailure[] = $callback;
        if ($this->isNoticed && $this->result?->failure !== null) {
            $this->client->taken($this);
            $callback($this->result->failure);
        }

        return $this;
    }

    /**
     * Nobody wants it any more: it fails with `cancelled`. The gateway drops it if it has not begun.
     *
     * @throws \LogicException in another call than the one that sent it: that would wait in vain
     */
    public function cancel(): void
    {
        $this->loop?->assertOwn();
        $transfer = $this->transfer;
        if ($this->result === null && $transfer !== null) {
            $transfer->fail($transfer->failure('cancelled', 'The caller cancelled it.'));
            $this->loop?->drop($transfer);
        }
    }

    /** @internal */
    public function begins(CallTransfer $transfer): void
    {
        $this->transfer = $transfer;
    }

    /** @internal */
    public function ended(Result $result): void
    {
        $this->result = $result;
        // It holds this object by its closure: the two would lie there until PHP collects its garbage.
        $this->transfer = null;
        foreach ($this->watchers as $watcher) {
            $watcher();
        }
        $this->watchers = [];
        if ($this->loop !== null) {
            $this->loop->later($this->notify(...));
        } else {
            $this->notify();
        }
    }

    /** @internal */
    public function isOver(): bool
    {
        return $this->result !== null;
    }

    /** @internal calls of another client would be waited for in vain @throws \InvalidArgumentException */
    public function assertOf(Client $client): void
    {
        if ($this->client !== $client) {
            throw new \InvalidArgumentException(sprintf('The call of %s was sent by another client: wait for it there.', $this->function));
        }
    }

    /** @internal a callback was told that it failed */
    public function isFailureTold(): bool
    {
        return $this->onFailure !== [];
    }

    /**
     * @internal
     *
     * @param \Closure(): mixed $watcher
     */
    public function whenOver(\Closure $watcher): void
    {
        if ($this->result !== null) {
            $watcher();
        } else {
            $this->watchers[] = $watcher;
        }
    }

    private function notify(): void
    {
        $this->isNoticed = true;
        if ($this->result === null) {
            return;
        }
        $callbacks = $this->result->failure === null ? $this->onResult : $this->onFailure;
        // Who only has callbacks never asks for the result: it would be kept for ever.
        if ($callbacks !== []) {
            $this->client->taken($this);
        }
        foreach ($callbacks as $callback) {
            $callback($this->result->failure ?? $this->result->get());
        }
    }
}
