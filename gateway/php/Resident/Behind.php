<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Leak;
use FpmGateway\Runtime;

/**
 * What is behind a handler: its values go, and what it printed and left is found. The answer is known by then:
 * whatever is thrown here is told beside it.
 */
final class Behind
{
    /** Buffers whose callbacks throw, destructors of what destructors threw: more than these are made on purpose. */
    private const MAX_TRIES = 64;

    /** @var list<array{kind: string, name: string, detail: string, restored: bool}> found between the handler and the sentinel */
    public array $late = [];

    public function __construct(private readonly ?Sentinel $sentinel, private readonly int $pid)
    {
    }

    /** @return list<array{kind: string, name: string, detail: string, restored: bool}> */
    public function takeLate(): array
    {
        $late = $this->late;
        $this->late = [];

        return $late;
    }

    /**
     * What was printed; a buffer's callback that throws takes the place of the answer.
     *
     * @return array{stray?: string, strayBytes?: int}
     */
    public function printed(string &$meta, string &$payload): array
    {
        for ($tries = 0, $printed = null; $printed === null; ++$tries) {
            try {
                $printed = Printed::take();
            } catch (\Throwable $thrown) {
                // The callback of a buffer that the handler left open: each is removed by being asked.
                $meta = Handling::members(['outcome' => 'exception', 'exception' => Runtime::describe($thrown)]);
                $payload = '';
                $this->release($thrown);
                if ($tries >= self::MAX_TRIES) {
                    throw new \RuntimeException('an output buffer that cannot be ended');
                }
            }
        }
        if (Printed::$ran) {
            Printed::$ran = false;
            // So may the callback of a buffer that was left open.
            Fork::endIn($this->pid);
        }

        return $printed;
    }

    /**
     * What the sentinel finds, and what was found in front of it.
     *
     * @return list<array{kind: string, name: string, detail: string, restored: bool}>
     */
    public function compare(string $function, int $startedNs): array
    {
        if ($this->sentinel === null) {
            return [];
        }
        try {
            $found = $this->sentinel->afterCall($function, $startedNs);
        } catch (\Throwable $thrown) {
            // Of a destructor that the collection of garbage ran: the answer is known, and is not changed.
            $found = [];
            $this->tell($thrown);
        }

        return $this->late === [] ? $found : [...$found, ...$this->sentinel->news($this->takeLate())];
    }

    /**
     * Lets go of what a call held. A destructor may throw, and what it throws may hold the next one: the answer is
     * known, and is not changed.
     */
    public function release(mixed &$held): void
    {
        for ($tries = 0; $held !== null && $tries < self::MAX_TRIES; ++$tries) {
            try {
                $held = null;
            } catch (\Throwable $thrown) {
                $this->note($thrown);
                $held = $thrown;
                unset($thrown);
            }
        }
    }

    /** Of what was thrown behind the handler; then it goes, with what it holds. */
    public function tell(\Throwable &$thrown): void
    {
        $this->note($thrown);
        $this->release($thrown);
    }

    private function note(\Throwable $thrown): void
    {
        $this->late[] = [
            'kind' => 'destructor',
            'name' => $thrown::class,
            'detail' => sprintf('%s in %s:%d', Leak::cut($thrown->getMessage()), $thrown->getFile(), $thrown->getLine()),
            'restored' => false,
        ];
    }
}
