<?php

declare(strict_types=1);

namespace App\Gadget\Input;

use App\Kernel\Rule;

final class ListGadgets
{
    /** @param list<string> $tags */
    public function __construct(
        #[Rule(1, 10_000)]
        public readonly int $page,
        #[Rule(0, 20)]
        public readonly array $tags,
    ) {
    }
}
