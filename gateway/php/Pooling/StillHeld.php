<?php

declare(strict_types=1);

namespace FpmGateway\Pooling;

/**
 * Connections of pools were found in use when their call had ended.
 *
 * @internal
 */
final class StillHeld extends \RuntimeException
{
    /** @param list<array{kind: string, name: string, detail: string, restored: bool}> $leaks as answers tell of them */
    public function __construct(public readonly array $leaks)
    {
        parent::__construct('Connections of $call->pool() are still in use behind their call.');
    }
}
