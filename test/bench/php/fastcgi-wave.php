<?php

/**
 * FastCGI as PHP applications speak it: a new connection for each call, asynchronous requests, and `stream_select` until
 * they are answered; a wave of them at once.
 */

declare(strict_types=1);

const BEGIN_REQUEST = 1;
const END_REQUEST = 3;
const PARAMS = 4;
const STDIN_STREAM = 5;
const STDOUT_STREAM = 6;

final class PendingCall
{
    /** @var resource */
    public $socket;
    private string $received = '';
    private string $output = '';

    public function __construct(string $path, string $request)
    {
        $socket = stream_socket_client("unix://{$path}", $code, $message, 5);
        if ($socket === false) {
            throw new RuntimeException("cannot connect to {$path}: {$message}");
        }
        stream_set_blocking($socket, false);
        $this->socket = $socket;
        fwrite($socket, $request);
    }

    /** True once the answer is complete, or the connection has ended. */
    public function read(): bool
    {
        $bytes = fread($this->socket, 65_536);
        if ($bytes === false || ($bytes === '' && feof($this->socket))) {
            return true;
        }
        $this->received .= $bytes;
        while (strlen($this->received) >= 8) {
            ['type' => $type, 'length' => $length, 'padding' => $padding] =
                unpack('Cversion/Ctype/nid/nlength/Cpadding', $this->received);
            if (strlen($this->received) < 8 + $length + $padding) {
                return false;
            }
            if ($type === STDOUT_STREAM) {
                $this->output .= substr($this->received, 8, $length);
            }
            $this->received = substr($this->received, 8 + $length + $padding);
            if ($type === END_REQUEST) {
                return true;
            }
        }

        return false;
    }

    /** Headers and body of the answer. */
    public function end(): string
    {
        fclose($this->socket);

        return $this->output;
    }
}

function record(int $type, string $content): string
{
    return pack('CCnnCC', 1, $type, 1, strlen($content), 0, 0) . $content;
}

/** Encoded for each call, as a library does that is given other parameters each time. */
function request(string $script, string $body): string
{
    $params = '';
    foreach ([
        'SCRIPT_FILENAME' => $script,
        'SCRIPT_NAME' => '/' . basename($script),
        'REQUEST_METHOD' => 'POST',
        'SERVER_PROTOCOL' => 'HTTP/1.1',
        'CONTENT_TYPE' => 'application/json',
        'CONTENT_LENGTH' => (string) strlen($body),
    ] as $name => $value) {
        $params .= chr(strlen($name)) . chr(strlen($value)) . $name . $value;
    }

    return record(BEGIN_REQUEST, pack('nCx5', 1, 0)) . record(PARAMS, $params) . record(PARAMS, '')
        . record(STDIN_STREAM, $body) . record(STDIN_STREAM, '');
}

/**
 * @param list<string> $names what the echo script is called with
 *
 * @return array{int, int} right and wrong answers
 */
function wave(string $path, string $script, array $names): array
{
    $pending = [];
    $answers = [];
    foreach ($names as $name) {
        $body = json_encode(['name' => $name]);
        $call = new PendingCall($path, request($script, $body));
        $pending[(int) $call->socket] = $call;
        $answers[(int) $call->socket] = json_encode(['hello' => $name]);
    }
    $right = 0;
    while ($pending !== []) {
        $readable = array_map(static fn (PendingCall $call) => $call->socket, $pending);
        $none = null;
        if (stream_select($readable, $none, $none, 5) < 1) {
            return [$right, count($names) - $right];
        }
        foreach ($readable as $socket) {
            $call = $pending[(int) $socket];
            if ($call->read()) {
                unset($pending[(int) $socket]);
                $right += (int) str_ends_with($call->end(), $answers[(int) $socket]);
            }
        }
    }

    return [$right, count($names) - $right];
}
