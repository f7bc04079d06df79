<?php

declare(strict_types=1);

return static function (): Generator {
    $piece = str_repeat('0123456789abcdef', 4096);
    for ($pieces = 16; $pieces > 0; --$pieces) {
        yield $piece;
    }
};
