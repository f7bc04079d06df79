<?php

declare(strict_types=1);

namespace FpmGateway;

/** Serves one FastCGI request under php-fpm: a call, a check of a handler file, or the priming of a connection. */
final class Runtime
{
    /** Must equal RUNTIME_VERSION of the gateway: an attached pool may hold an older copy of this folder. */
    public const VERSION = 2;

    private const ENVELOPE_TYPE = 'application/vnd.fpm-gateway';
    private const STREAM_TYPE = 'application/vnd.fpm-gateway.stream';
    private const MAX_STRAY_BYTES = 512;
    private const MAX_TRACE_BYTES = 8192;
    private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

    private readonly int $startedNs;
    private readonly float $startedCpuMs;
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
        $this->startedNs = hrtime(true);
        $this->startedCpuMs = self::cpuMs();
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
                'prime' => $this->answer(['outcome' => 'primed'] + self::facts(), ''),
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
            $this->startedNs,
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
        $last = error_get_last();
        if ($last !== null && ($last['type'] & self::FATAL) !== 0) {
            // The second is the system's refusal, below the memory_limit.
            $outOfMemory = preg_match('/^(Allowed memory size|Out of memory)/', $last['message']) === 1;
            $this->answer([
                'outcome' => $outOfMemory ? 'out-of-memory' : 'fatal',
                'exception' => [
                    'class' => 'Fatal error',
                    'message' => $last['message'],
                    'file' => $last['file'],
                    'line' => $last['line'],
                ],
            ], '');

            return;
        }
        $this->answer(['outcome' => 'exit'], '');
    }

    /** @param array<string, mixed> $meta */
    private function answer(array $meta, string $payload): void
    {
        $this->keepStray($this->takeStrayOutput());
        $this->answered = true;
        $meta += [
            'pid' => getmypid(),
            'peakBytes' => memory_get_peak_usage(true),
            'cpuMs' => round(self::cpuMs() - $this->startedCpuMs, 3),
            'wallMs' => round((hrtime(true) - $this->startedNs) / 1e6, 3),
        ];
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

    /** @return array<string, mixed> what the gateway must know of this worker */
    private static function facts(): array
    {
        $opcache = function_exists('opcache_get_status') && (bool) ini_get('opcache.enable');

        return [
            'runtimeVersion' => self::VERSION,
            'phpVersion' => PHP_VERSION,
            'opcache' => $opcache,
            // Equal to the gateway's own: same machine and pid namespace, so a kill by pid hits this worker.
            'pidNamespace' => self::namespaceId(),
            'limits' => [
                'postMaxBytes' => self::iniBytes('post_max_size'),
                'uploadMaxBytes' => self::iniBytes('upload_max_filesize'),
                'uploadsMax' => (bool) ini_get('file_uploads') ? (int) ini_get('max_file_uploads') : 0,
                'inputVarsMax' => (int) ini_get('max_input_vars'),
            ],
        ];
    }

    /** `8M` → 8388608; 0 for no limit. */
    private static function iniBytes(string $setting): int
    {
        $text = trim((string) ini_get($setting));
        $factor = ['k' => 1024, 'm' => 1024 ** 2, 'g' => 1024 ** 3][strtolower(substr($text, -1))] ?? 1;

        return max(0, (int) $text * $factor);
    }

    private static function namespaceId(): string
    {
        $boot = @file_get_contents('/proc/sys/kernel/random/boot_id');
        $link = @readlink('/proc/self/ns/pid');

        return is_string($boot) && is_string($link) ? trim($boot) . '/' . $link : '';
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

    private static function cpuMs(): float
    {
        $usage = getrusage();
        if ($usage === false) {
            return 0.0;
        }

        return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e3
            + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) / 1e3;
    }
}
