<?php

declare(strict_types=1);

$input = json_decode(file_get_contents('php://input'), true);
usleep($input['us']);
header('Content-Type: application/json');
echo json_encode(['finishedS' => microtime(true)]);
