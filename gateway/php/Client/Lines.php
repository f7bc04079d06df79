<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * Cuts bytes that come in pieces into lines.
 *
 * @internal
 */
final class Lines
{
    /** @var list<string> of a line that has not ended: put together once, however small the pieces */
    private array $begun = [];
    private int $begunBytes = 0;

    public function __construct(private readonly int $maxBytes)
    {
    }

    /**
     * @return list<string> lines that have ended, without their ends
     *
     * @throws \OverflowException for a line that is too long
     */
    public function of(string $bytes): array
    {
        $lines = explode("\n", $bytes);
        $last = array_pop($lines);
        if ($lines !== [] && $this->begun !== []) {
            $lines[0] = implode('', $this->begun) . $lines[0];
            $this->begun = [];
            $this->begunBytes = 0;
        }
        if ($last !== '') {
            $this->begun[] = $last;
            $this->begunBytes += strlen($last);
        }
        if (max([$this->begunBytes, ...array_map(strlen(...), $lines)]) > $this->maxBytes) {
            throw new \OverflowException(sprintf('a piece of the answer is larger than maxResponseBytes, %d', $this->maxBytes));
        }

        return array_map(static fn (string $line): string => rtrim($line, "\r"), $lines);
    }

    /** What follows the last line's end. */
    public function rest(): string
    {
        return implode('', $this->begun);
    }
}
