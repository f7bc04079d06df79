<?php

declare(strict_types=1);

namespace FpmGateway;

/**
 * Bytes, not JSON: what a handler returns where its contract says `output: binary('…')`, and what its caller gets.
 *
 * It lies here because callers in other applications have this folder only; the runtime's autoloader knows.
 */
final class Binary
{
    /**
     * @param string      $bytes     the content, sent as it is
     * @param string|null $mediaType such as `image/png`; needed where the contract names a family (`image/*`)
     */
    public function __construct(
        public readonly string $bytes,
        public readonly ?string $mediaType = null,
    ) {
    }
}
