<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Leaks;

/** The direct children of an array or an object, as they were. */
final class Detail
{
    /**
     * @param array<string|int, string|int|float|bool|null> $children texts are quoted; what has children is its type
     * @param int                                           $count    of all, though not all are told
     * @param bool                                          $isList   something that grows at its end
     * @param string                                        $type     `array` or a class
     * @param int                                           $call     which of several calls at once left it so; 0: there is one at a time
     */
    public function __construct(
        public readonly array $children,
        public readonly int $count,
        public readonly bool $isList,
        public readonly string $type,
        public readonly int $call,
    ) {
    }
}
