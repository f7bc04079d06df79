<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** Where the pieces of a handler's stream go: a worker of one call may block behind each, one of many must not. */
interface Pieces
{
    /** An answer of a stream that ended before its first piece is a stream, too. */
    public function begin(string $id): void;

    /** @param 'I'|'B' $type an item, or bytes */
    public function send(string $id, string $type, string $piece): void;
}
