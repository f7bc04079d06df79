<?php

declare(strict_types=1);

/** The front controller, as behind any web server: bootstraps the application and answers one request. */

$application = require __DIR__ . '/bootstrap.php';
$path = substr((string) parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), strlen('/app'));
$body = json_decode((string) file_get_contents('php://input'), true, 512, JSON_THROW_ON_ERROR);
$answer = $application->handle('customer', $_SERVER['REQUEST_METHOD'], $path, $body);
header('Content-Type: application/json');
echo json_encode($answer, JSON_THROW_ON_ERROR);
