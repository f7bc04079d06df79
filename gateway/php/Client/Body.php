<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * What a request carries: at once, or in pieces made while they are sent.
 *
 * @internal
 */
final class Body
{
    private bool $begun = false;

    /**
     * @param int|null                           $length null: known at its end only
     * @param (\Closure(): iterable<string>)|null $pieces none of them empty
     * @param string|null                        $bytes  all of it, where it is there already
     */
    private function __construct(
        public readonly string $contentType,
        public readonly ?int $length,
        private readonly ?\Closure $pieces,
        private readonly bool $repeatable,
        public readonly ?string $bytes = null,
    ) {
    }

    public static function of(string $contentType, string $bytes): self
    {
        return new self($contentType, strlen($bytes), null, true, $bytes);
    }

    /** @param \Closure(): iterable<string> $pieces gives the same each time */
    public static function ofLength(string $contentType, int $length, \Closure $pieces): self
    {
        return new self($contentType, $length, $pieces, true);
    }

    /** @param \Closure(): iterable<string> $pieces may be asked once */
    public static function once(string $contentType, \Closure $pieces): self
    {
        return new self($contentType, null, $pieces, false);
    }

    /** It can be sent from the start. */
    public function canBegin(): bool
    {
        return $this->repeatable || !$this->begun;
    }

    /** Its pieces come from the application, each in its own time. */
    public function isMadeSlowly(): bool
    {
        return !$this->repeatable;
    }

    /** @return iterable<string> */
    public function begin(): iterable
    {
        $this->begun = true;

        if ($this->pieces !== null) {
            return ($this->pieces)();
        }

        return $this->bytes === null || $this->bytes === '' ? [] : [$this->bytes];
    }
}
