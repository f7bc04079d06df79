<?php

declare(strict_types=1);

namespace FpmGateway;

/** Serves one FastCGI request under php-fpm: a call, a check of a handler file, or the priming of a connection. */
final class Runtime
{
    /** Must equal RUNTIME_VERSION of the gateway: an attached pool may hold an older copy of this folder. */
    public const VERSION = 3;

    private const ENVELOPE_TYPE = 'application/vnd.fpm-gateway';
    private const STREAM_TYPE = 'application/vnd.fpm-gateway.stream';
    private const MAX_STRAY_BYTES = 512;
    private const MAX_TRACE_BYTES = 8192;

    private readonly Outcome $outcome;
    private int $outputLevel;
    private readonly string $attemptId;
    private ?Call $call = null;
    private bool $answered = false;
    private bool $streaming = false;
    /** What a streaming handler printed besides its items. */
    private string $stray = '';
    private int $strayBytes = 0;
    private ?string $reserve;

    /** @param array<string, mixed> $server */
    public function __construct(private readonly array $server)
    {
        $this->outcome = new Outcome();
        $this->attemptId = $this->param('FPMG_ATTEMPT_ID');
        // Freed when memory has run out, so that the envelope can still be written.
        $this->reserve = str_repeat('x', 65_536);
        ob_start();
        $this->outputLevel = ob_get_level();
        // What a handler says in headers means nothing here, and a malformed one would break the answer.
        header_register_callback(function (): void {
            header_remove();
            http_response_code(200);
            header('Content-Type: ' . ($this->streaming ? self::STREAM_TYPE : self::ENVELOPE_TYPE));
        });
        register_shutdown_function($this->afterEnd(...));
    }

    public function serve(): void
    {
        try {
            match ($this->param('FPMG_OPERATION')) {
                'call' => $this->serveCall(),
                'check' => $this->serveCheck(),
                'lint' => $this->serveLint(),
                'prime' => $this->answer(['outcome' => 'primed', 'runtimeVersion' => self::VERSION] + Facts::all(), ''),
            };
        } catch (Failure $failure) {
            $this->answerFailure($failure);
        } catch (\Throwable $thrown) {
            $this->answer(['outcome' => 'exception', 'exception' => self::describe($thrown)], '');
        }
    }

    private function serveCall(): void
    {
        $this->call = new Call(
            $this->param('FPMG_CALL_ID'),
            $this->param('FPMG_FUNCTION'),
            (int) $this->param('FPMG_ATTEMPT'),
            $this->outcome->startedNs,
            (float) $this->param('FPMG_BUDGET_MS'),
            $this->param('FPMG_TRACEPARENT'),
        );
        $handler = $this->loadHandler();
        $result = $handler(Input::read($this->server), $this->call);
        $stream = $this->param('FPMG_STREAM');
        // A map is one value, and would lose its keys.
        if ($stream !== '' && is_iterable($result) && !(is_array($result) && !array_is_list($result))) {
            $this->stream($result, $stream === 'bytes');

            return;
        }
        if ($result instanceof \Generator) {
            $this->answer(['outcome' => 'unencodable', 'message' => 'it is a generator; say output: stream(…) in the contract, or return an array'], '');

            return;
        }
        if ($result instanceof Binary) {
            $this->answer(['outcome' => 'output', 'encoding' => 'binary', 'mediaType' => $result->mediaType], $result->bytes);

            return;
        }
        try {
            $json = Envelope::json($result);
        } catch (\JsonException $unencodable) {
            $this->answer(['outcome' => 'unencodable', 'message' => $unencodable->getMessage()], '');

            return;
        }
        $this->answer(['outcome' => 'output', 'encoding' => 'json'], $json);
    }

    /**
     * Sends each piece as soon as the handler yields it; this blocks while the reader is slow.
     *
     * @param iterable<mixed> $pieces
     */
    private function stream(iterable $pieces, bool $bytes): void
    {
        $this->streaming = true;
        foreach ($pieces as $piece) {
            if (!$bytes) {
                try {
                    $this->frame('I', Envelope::json($piece));
                } catch (\JsonException $unencodable) {
                    $this->answer(['outcome' => 'unencodable', 'message' => $unencodable->getMessage()], '');

                    return;
                }
            } elseif (is_string($piece)) {
                $this->frame('B', $piece);
            } else {
                throw new \UnexpectedValueException(sprintf('A stream of bytes is made of strings; this handler yielded %s.', get_debug_type($piece)));
            }
        }
        $this->answer(['outcome' => 'streamed'], '');
    }

    private function frame(string $type, string $payload): void
    {
        $this->keepStray($this->takeStrayOutput());
        // Buffers of php.ini lie below ours, in pools the gateway does not configure.
        while (ob_get_level() > 0 && @ob_end_flush()) {
        }
        echo $type, pack('N', strlen($payload)), $payload;
        flush();
        ob_start();
        $this->outputLevel = ob_get_level();
    }

    private function keepStray(string $printed): void
    {
        $this->stray .= substr($printed, 0, self::MAX_STRAY_BYTES - strlen($this->stray));
        $this->strayBytes += strlen($printed);
    }

    private function serveCheck(): void
    {
        $this->loadHandler();
        $this->answer(['outcome' => 'checked'], '');
    }

    /** Reads a script for mistakes without running it; where it can, into opcache. */
    private function serveLint(): void
    {
        $file = $this->param('FPMG_HANDLER');
        $code = @file_get_contents($file);
        if ($code === false) {
            throw new \UnexpectedValueException(sprintf('%s cannot be read by the user of this pool.', basename($file)));
        }
        if (function_exists('token_get_all')) {
            try {
                token_get_all($code, TOKEN_PARSE);
            } catch (\ParseError $error) {
                $exception = ['file' => $file] + self::describe($error);
                $this->answer(['outcome' => 'exception', 'exception' => $exception], '');

                return;
            }
        }
        // Calls run what was read now, whatever becomes of the file: one release, one version.
        if (function_exists('opcache_compile_file') && (bool) ini_get('opcache.enable')) {
            @opcache_compile_file($file);
        }
        $this->answer(['outcome' => 'checked'], '');
    }

    private function loadHandler(): callable
    {
        $bootstrap = $this->param('FPMG_BOOTSTRAP');
        if ($bootstrap !== '') {
            self::load($bootstrap);
        }
        $file = $this->param('FPMG_HANDLER');
        $handler = self::load($file);
        if (!is_callable($handler)) {
            throw new \UnexpectedValueException(sprintf(
                '%s must return a callable, but returns %s: end it with `return static function (array $input, Call $call): mixed { … };`',
                basename($file),
                get_debug_type($handler),
            ));
        }

        return $handler;
    }

    /** A scope of its own, so that a file sees none of our variables. */
    private static function load(string $file): mixed
    {
        return require $file;
    }

    private function answerFailure(Failure $failure): void
    {
        $meta = ['outcome' => 'failure', 'code' => $failure->failureCode, 'message' => $failure->getMessage()];
        try {
            $this->answer($meta, Envelope::json($failure->data));
        } catch (\JsonException $unencodable) {
            $this->answer(['outcome' => 'unencodable', 'message' => $unencodable->getMessage()], '');
        }
    }

    /** Runs when the script ends in any way but a kill: the only place where exit() and fatal errors can be seen. */
    private function afterEnd(): void
    {
        if ($this->answered) {
            return;
        }
        $this->reserve = null;
        $this->answer(Outcome::fatal() ?? ['outcome' => 'exit'], '');
    }

    /** @param array<string, mixed> $meta */
    private function answer(array $meta, string $payload): void
    {
        $this->keepStray($this->takeStrayOutput());
        $this->answered = true;
        $meta += $this->outcome->usage();
        if ($this->call !== null && $this->call->logs() !== []) {
            $meta += ['logs' => $this->call->logs(), 'droppedLogs' => $this->call->droppedLogs()];
        }
        if ($this->strayBytes > 0) {
            $meta += ['stray' => $this->stray, 'strayBytes' => $this->strayBytes];
        }
        $envelope = Envelope::encode($this->attemptId, $meta, $payload);
        echo $this->streaming ? 'E' . pack('N', strlen($envelope)) . $envelope : $envelope;
    }

    /** Everything printed and still in a buffer; what was flushed already is found by the gateway. */
    private function takeStrayOutput(): string
    {
        while (ob_get_level() > $this->outputLevel) {
            // A handler's buffer may refuse to be removed; what lies in it then goes out with the answer.
            if (!@ob_end_flush()) {
                return '';
            }
        }

        return ob_get_level() === $this->outputLevel ? (string) ob_get_clean() : '';
    }

    private function param(string $name): string
    {
        $value = $this->server[$name] ?? '';

        return is_string($value) ? $value : '';
    }

    /** @return array<string, mixed> */
    private static function describe(\Throwable $thrown): array
    {
        return [
            'class' => $thrown::class,
            'message' => $thrown->getMessage(),
            'file' => $thrown->getFile(),
            'line' => $thrown->getLine(),
            'trace' => substr($thrown->getTraceAsString(), 0, self::MAX_TRACE_BYTES),
        ];
    }
}
