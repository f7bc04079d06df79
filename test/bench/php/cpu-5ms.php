<?php

declare(strict_types=1);

$input = json_decode(file_get_contents('php://input'), true);
$digest = '';
for ($left = $input['iterations']; $left > 0; --$left) {
    $digest = hash('sha256', $digest);
}
header('Content-Type: application/json');
echo json_encode(['digest' => $digest]);
