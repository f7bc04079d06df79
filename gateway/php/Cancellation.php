<?php

declare(strict_types=1);

namespace FpmGateway;

/**
 * What a call does when it is ended early. Where the process serves one call at a time the gateway has to know: it is
 * told by a file named as the process, which holds the attempt's id, and which the gateway renames to say why it ends it.
 *
 * @internal
 */
final class Cancellation
{
    private const REASONS = ['timeout', 'cancelled'];

    /** @var list<callable(string): mixed> */
    private array $hooks = [];
    private string $mark = '';

    /** @param string|null $attemptId null: the call is told where it waits, or by a unit test, and no file is needed */
    public function __construct(?string $attemptId)
    {
        $folder = getenv('FPMG_GRACE');
        if ($attemptId === null || $folder === false) {
            return;
        }
        $mark = $folder . '/' . getmypid();
        if (@file_put_contents($mark, $attemptId) === strlen($attemptId)) {
            $this->mark = $mark;
        } else {
            error_log("onCancel() has no effect: $mark cannot be written.");
        }
    }

    /** @param callable(string): mixed $hook */
    public function add(callable $hook): void
    {
        $this->hooks[] = $hook;
    }

    /** Once, each of them, whatever the others do; also what one of them asks for. */
    public function run(string $why): void
    {
        while (($hook = array_shift($this->hooks)) !== null) {
            try {
                $hook($why);
            } catch (\Throwable $thrown) {
                error_log(sprintf('A callback of onCancel() threw %s: %s in %s:%d', $thrown::class, $thrown->getMessage(), $thrown->getFile(), $thrown->getLine()));
            }
        }
    }

    /** Behind a fatal error: whether it was the gateway that ended the call. */
    public function runIfEnded(): void
    {
        if ($this->mark === '') {
            return;
        }
        foreach (self::REASONS as $why) {
            if (@unlink("$this->mark.$why")) {
                $this->mark = '';
                $this->run($why);

                return;
            }
        }
        $this->end();
    }

    /** The call has ended by itself. */
    public function end(): void
    {
        $this->hooks = [];
        if ($this->mark !== '') {
            @unlink($this->mark);
            $this->mark = '';
        }
    }
}
