<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** One request that has come whole. */
final class Request
{
    /**
     * @param string $id   its two bytes on the wire
     * @param string $call `<function> <attempt id> <budget, ms> <traceparent>[ <outer,…>]`; `prime <attempt id>` for a priming
     * @param string $input empty when it is decoded
     */
    public function __construct(
        public readonly string $id,
        public readonly string $call,
        public string $input,
        public readonly ?Uploads $uploads,
    ) {
    }
}
