<?php

declare(strict_types=1);

namespace FpmGateway;

/**
 * Serves one FastCGI request under php-fpm: a call, a check of a handler file, or the priming of a connection.
 *
 * It tells the gateway what became of it in an envelope:
 *
 *     FPMG1 <attempt id> <meta bytes> <payload bytes>\n<meta: JSON><payload: JSON or bytes>
 *
 * The attempt id makes an envelope impossible to forge by echoing input, the lengths make a cut one visible.
 *
 * PHP forgets everything between two requests, and what it looked up with it: on the way of a call that goes well,
 * each class, method and function costs time anew. There are as few there as can be.
 */
final class Runtime
{
    /** Must equal RUNTIME_VERSION of the gateway: an attached pool may hold an older copy of this folder. */
    public const VERSION = 7;

    public const ENVELOPE_TYPE = 'application/vnd.fpm-gateway';
    public const STREAM_TYPE = 'application/vnd.fpm-gateway.stream';
    /** Never fails: an envelope is written for whatever was thrown and logged. */
    public const META_FLAGS = JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR
        | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
    /** Throws for values JSON cannot express: NAN, INF, broken UTF-8, recursion. */
    public const PAYLOAD_FLAGS = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
    public const LARGE_BYTES = 65_536;
    /** Content of one FastCGI record, as PHP cuts what is too large for its buffer of 8 KB. */
    private const RECORD_BYTES = 0xFFF8;
    public const RESERVE_BYTES = 16_384;
    public const MAX_STRAY_BYTES = 512;
    /** Of a generator where the contract promises no stream. */
    public const NO_STREAM = 'it is a generator; say output: stream(…) in the contract, or return an array';
    private const MAX_TRACE_BYTES = 8192;

    private readonly Outcome $outcome;
    /** As all parameters not from `$_SERVER`, which PHP fills only for handlers that use it. */
    private readonly string $attemptId;
    private int $outputLevel;
    private ?Call $call = null;
    /** What the pool's bootstrap returned. */
    private mixed $app = null;
    private bool $answered = false;
    /** Hooks are still to run: once, though one may end PHP. */
    private bool $resets = true;
    private bool $streaming = false;
    /** Of an answer so large that the gateway had better know: it makes room once. */
    private int $largeBytes = 0;
    /** What a streaming handler printed besides its items. */
    private string $stray = '';
    private int $strayBytes = 0;
    private ?string $reserve;

    public function __construct()
    {
        $this->outcome = new Outcome();
        $this->attemptId = (string) getenv('FPMG_ATTEMPT_ID');
        // Freed when memory has run out, so that the envelope can still be written.
        $this->reserve = str_repeat('x', self::RESERVE_BYTES);
        ob_start();
        $this->outputLevel = ob_get_level();
        // What a handler says in headers means nothing here, and a malformed one would break the answer.
        header_register_callback(function (): void {
            header_remove();
            http_response_code(200);
            header('Content-Type: ' . ($this->streaming ? self::STREAM_TYPE : self::ENVELOPE_TYPE));
            if ($this->largeBytes > 0) {
                header("Content-Length: $this->largeBytes");
            }
        });
        register_shutdown_function($this->afterEnd(...));
    }

    public function serve(): void
    {
        try {
            match (getenv('FPMG_OPERATION')) {
                'call' => $this->serveCall(null),
                'call-with' => $this->serveCall((string) getenv('FPMG_INPUT')),
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

    /** @param class-string|null $class what the handler takes instead of an array; found by the check at start */
    private function serveCall(?string $class): void
    {
        // The attempt's id is `<call id>.<number>`.
        [$callId, $number] = explode('.', $this->attemptId);
        // Calls made by functions say which ones they are inside of, too.
        $parts = explode(' ', (string) getenv('FPMG_CALL'));
        $this->call = new Call(
            $callId,
            (string) getenv('FPMG_FUNCTION'),
            (int) $number,
            $this->outcome->startedNs,
            (float) $parts[0],
            $parts[1],
            $parts[2] ?? '',
        );
        $handler = $this->loadHandler();
        $input = getenv('FPMG_FILES') === false
            ? json_decode((string) file_get_contents('php://input'), true, 512, JSON_THROW_ON_ERROR)
            : Multipart::input();
        $result = $handler($class === null ? $input : $class::fromArray($input), $this->call, $this->app);
        $stream = getenv('FPMG_STREAM');
        // A map is one value, and would lose its keys.
        if ($stream !== false && is_iterable($result) && !(is_array($result) && !array_is_list($result))) {
            $this->stream($result, $stream === 'bytes');

            return;
        }
        if ($result instanceof \Generator) {
            $this->answer(['outcome' => 'unencodable', 'message' => self::NO_STREAM], '');

            return;
        }
        if ($result instanceof Binary) {
            $this->answer(['outcome' => 'output', 'encoding' => 'binary', 'mediaType' => $result->mediaType], $result->bytes);

            return;
        }
        try {
            $json = json_encode($result, self::PAYLOAD_FLAGS);
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
                    $this->frame('I', json_encode($piece, self::PAYLOAD_FLAGS));
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
        $bytes = strlen($payload);
        echo $type, pack('N', $bytes);
        if ($bytes <= self::RECORD_BYTES) {
            echo $payload;
        } else {
            // What fills no record goes first: with the type and length in one write. Behind the others it would take two more.
            $at = $bytes % self::RECORD_BYTES;
            echo substr($payload, 0, $at);
            for (; $at < $bytes; $at += self::RECORD_BYTES) {
                echo substr($payload, $at, self::RECORD_BYTES);
            }
        }
        flush();
        ob_start();
        $this->outputLevel = ob_get_level();
    }

    private function keepStray(string $printed): void
    {
        if ($printed === '') {
            return;
        }
        $this->stray .= substr($printed, 0, self::MAX_STRAY_BYTES - strlen($this->stray));
        $this->strayBytes += strlen($printed);
    }

    private function serveCheck(): void
    {
        $class = InputClass::of($this->loadHandler());
        $this->answer(['outcome' => 'checked'] + ($class === null ? [] : ['inputClass' => $class]), '');
    }

    /** Reads a script for mistakes without running it; where it can, into opcache. */
    private function serveLint(): void
    {
        $file = (string) getenv('FPMG_HANDLER');
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
        $bootstrap = (string) getenv('FPMG_BOOTSTRAP');
        if ($bootstrap !== '') {
            $returned = self::load($bootstrap);
            // What require says of a file without a return, or of one that was loaded before.
            $this->app = $returned === 1 || $returned === true ? null : $returned;
        }
        $file = (string) getenv('FPMG_HANDLER');
        $handler = self::load($file);
        if (!is_callable($handler)) {
            throw self::notCallable($file, $handler);
        }

        return $handler;
    }

    /** For both engines. */
    public static function notCallable(string $file, mixed $handler): \UnexpectedValueException
    {
        return new \UnexpectedValueException(sprintf(
            '%s must return a callable, but returns %s: end it with `return static function (array $input, Call $call): mixed { … };`',
            basename($file),
            get_debug_type($handler),
        ));
    }

    /** A scope of its own, so that a file sees none of our variables. For both engines. */
    public static function load(string $file): mixed
    {
        return require $file;
    }

    private function answerFailure(Failure $failure): void
    {
        $meta = ['outcome' => 'failure', 'code' => $failure->failureCode, 'message' => $failure->getMessage()];
        try {
            $this->answer($meta, json_encode($failure->data, self::PAYLOAD_FLAGS));
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
        $fatal = Outcome::fatal();
        if ($fatal !== null) {
            // No more code of others: memory may have run out, and a second error here would leave no answer.
            $this->resets = false;
            // But where the gateway itself made the error, and waits for it.
            $this->call?->cancellation()?->runIfEnded();
        }
        $this->answer($fatal ?? ['outcome' => 'exit'], '');
    }

    /** @param array<string, mixed> $meta */
    private function answer(array $meta, string $payload): void
    {
        if ($this->call !== null && $this->resets) {
            $this->resets = false;
            $meta += $this->reset($this->call->takeResets());
        }
        $this->keepStray($this->takeStrayOutput());
        $this->answered = true;
        $meta += $this->outcome->usage();
        if ($this->call !== null && $this->call->logs() !== []) {
            $meta += ['logs' => $this->call->logs(), 'droppedLogs' => $this->call->droppedLogs()];
        }
        if ($this->strayBytes > 0) {
            $meta += ['stray' => $this->stray, 'strayBytes' => $this->strayBytes];
        }
        $json = (string) json_encode($meta, self::META_FLAGS);
        $head = "FPMG1 $this->attemptId " . strlen($json) . ' ' . strlen($payload) . "\n" . $json;
        $bytes = strlen($head) + strlen($payload);
        if ($this->streaming) {
            $head = 'E' . pack('N', $bytes) . $head;
        } elseif ($bytes > self::LARGE_BYTES) {
            $this->largeBytes = $bytes;
        }
        // Not put together: a payload may be as large as what memory is left.
        echo $head, $payload;
    }

    /**
     * Before the answer is written, so that it can tell of hooks that failed. Bootstraps that add none never load the class.
     *
     * @param list<callable(): void> $own
     *
     * @return array{leaks?: list<array<string, mixed>>}
     */
    private function reset(array $own): array
    {
        if ($own === [] && !class_exists(Resets::class, false)) {
            return [];
        }
        $leaks = Resets::leaks($own);

        return $leaks === [] ? [] : ['leaks' => $leaks];
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

    /**
     * For both engines.
     *
     * @return array<string, mixed>
     */
    public static function describe(\Throwable $thrown): array
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
