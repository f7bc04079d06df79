<?php

declare(strict_types=1);

namespace FpmGateway;

/** A result that is bytes, not JSON: for functions whose contract says `output: binary('…')`. */
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
