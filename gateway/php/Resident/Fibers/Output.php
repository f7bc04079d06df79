<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Connection;
use FpmGateway\Resident\Destination;

use function strlen;

/** What calls say in one turn of the loop leaves in one write: each would take 2.6 µs. */
final class Output implements Destination
{
    /** More than this is written at once: answers may be as large as memory. */
    private const MAX_BYTES = 131_072;
    /** Streams wait for the next turn when so much is to be written. */
    private const MUCH_BYTES = 65_536;

    private string $bytes = '';
    /** A write was cut by a signal's handler that threw or ended PHP: nothing else may be written now. */
    public bool $isWriting = false;

    public function __construct(private readonly Connection $connection)
    {
    }

    /** False when the gateway is gone. */
    public function write(string $bytes): bool
    {
        $this->bytes .= $bytes;

        return strlen($this->bytes) <= self::MAX_BYTES || $this->flush();
    }

    public function isMuch(): bool
    {
        return strlen($this->bytes) > self::MUCH_BYTES;
    }

    /** It blocks until the gateway has room: that always reads. */
    public function flush(): bool
    {
        if ($this->bytes === '') {
            return true;
        }
        $bytes = $this->bytes;
        $this->bytes = '';
        $this->isWriting = true;
        $written = $this->connection->write($bytes);
        $this->isWriting = false;

        return $written;
    }
}
