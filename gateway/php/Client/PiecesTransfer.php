<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * A request whose answer is taken in pieces, and not read ahead of who takes them.
 *
 * @internal
 */
abstract class PiecesTransfer extends Transfer
{
    private const PROBLEM_MAX_BYTES = 1_048_576;

    /** @var \SplQueue<mixed> */
    private \SplQueue $pieces;
    private string $problem = '';
    private ?CallFailed $failure = null;

    public function __construct(Request $request, Deadline $deadline, protected readonly int $maxBytes)
    {
        parent::__construct($request, $deadline, false);
        $this->pieces = new \SplQueue();
    }

    /** @throws CallFailed */
    abstract protected function onSuccess(Head $head): void;

    /** @throws CallFailed @throws \OverflowException */
    abstract protected function onPiece(string $bytes): void;

    /** @throws CallFailed where it was not whole */
    abstract protected function onWhole(): void;

    /** @return \Generator<int, mixed> */
    public function run(Loop $loop): \Generator
    {
        $loop->add($this);
        try {
            do {
                $loop->until(fn (): bool => !$this->pieces->isEmpty() || $this->isOver());
                while (!$this->pieces->isEmpty()) {
                    yield $this->pieces->dequeue();
                }
            } while (!$this->isOver());
        } finally {
            if (!$this->isOver()) {
                $this->fail($this->failure('cancelled', 'Its reader has left.'));
                $loop->drop($this);
            }
        }
        if ($this->failure !== null) {
            throw $this->failure;
        }
    }

    public function isCounted(): bool
    {
        return false;
    }

    public function wantsAnswer(): bool
    {
        return $this->pieces->isEmpty();
    }

    public function onBody(string $bytes): void
    {
        if ($this->head?->isSuccess() !== true) {
            $this->problem .= substr($bytes, 0, self::PROBLEM_MAX_BYTES - strlen($this->problem));

            return;
        }
        try {
            $this->onPiece($bytes);
        } catch (\OverflowException $tooLarge) {
            throw $this->failure('response-too-large', ucfirst($tooLarge->getMessage()) . '.', $tooLarge);
        }
    }

    protected function push(mixed $piece): void
    {
        $this->pieces->enqueue($piece);
    }

    protected function onHead(Head $head): void
    {
        Answer::assertCompatible($this, $head);
        if ($head->isSuccess()) {
            $this->onSuccess($head);
        }
    }

    protected function onEnd(): void
    {
        if ($this->head !== null && !$this->head->isSuccess()) {
            throw Answer::failure($this, $this->head, $this->problem);
        }
        $this->onWhole();
    }

    protected function onFailure(CallFailed $failure): void
    {
        $this->failure = $failure;
    }
}
