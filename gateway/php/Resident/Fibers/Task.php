<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Call;
use FpmGateway\Resident\Leaks\Aside;
use FpmGateway\Resident\Reply;
use FpmGateway\Resident\Request;

/** One call of a concurrent worker, from its begin to its answer. */
final class Task
{
    /** What it waits for. It runs, or is in line to run. */
    public const NOTHING = 0;
    public const TIME = 1;
    public const STREAMS = 2;
    public const RESUME = 3;

    public ?\Fiber $fiber = null;
    public int $waitsFor = self::NOTHING;
    /** When it is to go on, and where Timers has it; 0 for nowhere. */
    public int $dueMs = 0;
    public int $timerMs = 0;
    /** @var list<int> where Streams has those it waits for */
    public array $watched = [];
    /** @var array{list<array-key>, list<array-key>} of those, what can be read and written */
    public array $ready = [[], []];
    /** @var array<int, string> of its nested calls, by number */
    public array $answers = [];
    /** @var array<int, true> numbers of nested calls that are not answered */
    public array $nested = [];
    /** The reader of its stream is slow. */
    public bool $paused = false;
    /** Nobody wants its answer any more. */
    public bool $cancelled = false;
    /** How often it was told that it is over, and when first. */
    public int $thrown = 0;
    public int $thrownNs = 0;
    /** Its Fiber is not resumed any more. */
    public bool $dropped = false;
    /** Its Fiber has done all there was to do. */
    public bool $ended = false;
    /** @var list<callable(): mixed> */
    public array $atEnd = [];

    /** The outcome, as members of the envelope's meta. */
    public string $meta = '';
    public string $payload = '';
    /** @var list<array{kind: string, name: string, detail: string, restored: bool}> */
    public array $leaks = [];
    /** What it printed: the beginning, and how much. */
    public string $stray = '';
    public int $strayBytes = 0;
    public string $stderr = '';
    /** What it set, and others must not see while it waits; null before it runs. */
    public ?Aside $aside = null;
    /** Output buffers that it holds while it waits. */
    public ?Buffers $buffers = null;
    public int $suspensions = 0;
    public int $cpuNs = 0;
    /** Its longest slice, and how many other calls waited in the meantime. */
    public int $longestNs = 0;
    public int $heldUp = 0;

    /**
     * @param int    $number    its place in the order of begin, unique in this worker
     * @param Reply  $reply     of its own: it knows whether this answer is a stream
     */
    public function __construct(
        public readonly int $number,
        public readonly Request $request,
        public ?Call $call,
        public readonly string $function,
        public readonly string $attemptId,
        public readonly int $startedNs,
        public readonly int $deadlineNs,
        public readonly Reply $reply,
    ) {
    }
}
