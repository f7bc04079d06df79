<?php

declare(strict_types=1);

header('Content-Type: application/octet-stream');
// What php.ini-production buffers would only be copied: each piece leaves at once.
if (ob_get_level() > 0) {
    ob_end_clean();
}
$piece = str_repeat('0123456789abcdef', 4096);
for ($pieces = 16; $pieces > 0; --$pieces) {
    echo $piece;
    flush();
}
