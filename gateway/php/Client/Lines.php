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
     * @return \Generator<int, string> lines that have ended, without their ends
     *
     * @throws \OverflowException for a line that is too long, behind those before it
     */
    public function of(string $bytes): \Generator
    {
        $lines = explode("\n", $bytes);
        $last = array_pop($lines);
        foreach ($lines as $line) {
            if ($this->begun !== []) {
                $line = implode('', $this->begun) . $line;
                [$this->begun, $this->begunBytes] = [[], 0];
            }
            $this->assertShort(strlen($line));
            yield rtrim($line, "\r");
        }
        if ($last !== '') {
            $this->begun[] = $last;
            $this->begunBytes += strlen($last);
            $this->assertShort($this->begunBytes);
        }
    }

    /** What follows the last line's end. */
    public function rest(): string
    {
        return implode('', $this->begun);
    }

    private function assertShort(int $bytes): void
    {
        if ($bytes > $this->maxBytes) {
            throw new \OverflowException(sprintf('a piece of the answer is larger than maxResponseBytes, %d', $this->maxBytes));
        }
    }
}
