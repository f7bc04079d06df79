/** Projects whose functions call functions, by a few lines of PHP of their own: without the runtime's client. */
import { type Functions, functionsProject } from './project.ts';

/**
 * `ask($call, 'name', $input)` → [status, body]: one request to the gateway this worker belongs to.
 * `open()` and `finish()` are its halves, for several calls at once.
 */
const CLIENT = `<?php
declare(strict_types=1);
function path(FpmGateway\\Call $call): string
{
    $outer = explode(' ', (string) ($_SERVER['FPMG_CALL'] ?? getenv('FPMG_CALL')))[2] ?? '';
    return $outer === '' ? $call->function : "$outer,$call->function";
}
/** @param array<string, string> $headers */
function open(FpmGateway\\Call $call, string $name, mixed $input, array $headers = []): mixed
{
    $body = json_encode($input);
    $address = str_replace('unix:/', 'unix:///', (string) getenv('FPMG_GATEWAY'));
    $socket = stream_socket_client($address, $code, $why, 5) ?: throw new RuntimeException("$address: $why");
    $headers += [
        'host' => 'localhost',
        'content-type' => 'application/json',
        'content-length' => (string) strlen($body),
        'connection' => 'close',
        'fpm-gateway-caller' => $call->id . ' ' . path($call),
        'traceparent' => $call->traceparent(),
        'x-request-timeout-ms' => (string) max(1, (int) $call->remainingMs()),
    ];
    $lines = array_map(fn ($name, $value) => "$name: $value\\r\\n", array_keys($headers), $headers);
    fwrite($socket, "POST /functions/$name HTTP/1.1\\r\\n" . implode('', $lines) . "\\r\\n$body");
    return $socket;
}
/** @return array{int, mixed} */
function finish(mixed $socket, string &$head = ''): array
{
    $answer = (string) stream_get_contents($socket);
    [$head, $body] = explode("\\r\\n\\r\\n", $answer, 2) + [1 => ''];
    return [(int) substr($head, 9, 3), json_decode($body, true)];
}
/** @return array{int, mixed} */
function ask(FpmGateway\\Call $call, string $name, mixed $input, array $headers = []): array
{
    return finish(open($call, $name, $input, $headers));
}
`;

/** As `functionsProject`, and handlers can `ask()`. */
export const nestedProject = (functions: Functions): string =>
  functionsProject({
    'functions/_client.php': CLIENT,
    ...Object.fromEntries(
      Object.entries(functions).map(([name, source]) => {
        const [body, contract] = typeof source === 'string' ? [source, ''] : source;
        return [
          name,
          name.includes('/') ? source : ([`require_once __DIR__ . '/_client.php'; ${body}`, contract] as const),
        ];
      }),
    ),
  });
