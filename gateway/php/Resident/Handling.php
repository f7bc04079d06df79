<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Binary;
use FpmGateway\Call;
use FpmGateway\Debug\Hooks;
use FpmGateway\Failure;
use FpmGateway\Runtime;

use function json_decode;
use function json_encode;
use function substr;

/** Runs a handler and encodes what it returned: the outcome, as members of the envelope's meta, and the payload. */
final class Handling
{
    /** @param bool $debugged `dev --xdebug` has loaded what looks at each call */
    public function __construct(private readonly Application $application, private readonly bool $debugged)
    {
    }

    /** @throws \Throwable what the handler throws: see `thrown()` */
    public function run(string $function, Request $request, Call $call, Pieces $pieces, string &$payload): string
    {
        $handler = $this->application->handlers[$function] ?? null;
        if ($handler === null) {
            throw new \UnexpectedValueException(sprintf('This worker was started without a function %s.', $function));
        }
        if ($handler->run === null) {
            return self::members(['outcome' => 'exception', 'exception' => $handler->exception]);
        }
        $input = $request->uploads === null
            ? json_decode($request->input, true, 512, JSON_THROW_ON_ERROR)
            : $request->uploads->input();
        // A call that waits need not hold both.
        $request->input = '';
        $class = $handler->class;
        if ($this->debugged) {
            Hooks::before();
        }
        $result = ($handler->run)($class === null ? $input : $class::fromArray($input), $call, $this->application->app);
        if ($handler->streams !== null && is_iterable($result) && !(is_array($result) && !array_is_list($result))) {
            return self::stream($request->id, $result, $handler->streams === 'bytes', $pieces);
        }
        if ($result instanceof \Generator) {
            return self::members(['outcome' => 'unencodable', 'message' => Runtime::NO_STREAM]);
        }
        if ($result instanceof Binary) {
            $payload = $result->bytes;

            return self::members(['outcome' => 'output', 'encoding' => 'binary', 'mediaType' => $result->mediaType]);
        }
        try {
            $payload = json_encode($result, Runtime::PAYLOAD_FLAGS);
        } catch (\JsonException $unencodable) {
            return self::members(['outcome' => 'unencodable', 'message' => $unencodable->getMessage()]);
        }

        return '"outcome":"output","encoding":"json"';
    }

    public static function thrown(\Throwable $thrown, string &$payload): string
    {
        // A result may be encoded, and its destructor throw.
        $payload = '';

        return $thrown instanceof Failure
            ? self::failure($thrown, $payload)
            : self::members(['outcome' => 'exception', 'exception' => Runtime::describe($thrown)]);
    }

    /** @param array<string, mixed> $meta */
    public static function members(array $meta): string
    {
        return substr((string) json_encode($meta, Runtime::META_FLAGS), 1, -1);
    }

    /**
     * Sends each piece as soon as the handler yields it.
     *
     * @param iterable<mixed> $pieces
     */
    private static function stream(string $id, iterable $pieces, bool $bytes, Pieces $sent): string
    {
        $sent->begin($id);
        foreach ($pieces as $piece) {
            if (!$bytes) {
                try {
                    $json = json_encode($piece, Runtime::PAYLOAD_FLAGS);
                } catch (\JsonException $unencodable) {
                    return self::members(['outcome' => 'unencodable', 'message' => $unencodable->getMessage()]);
                }
                $sent->send($id, 'I', $json);
            } elseif (is_string($piece)) {
                $sent->send($id, 'B', $piece);
            } else {
                throw new \UnexpectedValueException(sprintf('A stream of bytes is made of strings; this handler yielded %s.', get_debug_type($piece)));
            }
        }

        return '"outcome":"streamed"';
    }

    private static function failure(Failure $failure, string &$payload): string
    {
        try {
            $payload = json_encode($failure->data, Runtime::PAYLOAD_FLAGS);
        } catch (\JsonException $unencodable) {
            return self::members(['outcome' => 'unencodable', 'message' => $unencodable->getMessage()]);
        } catch (\Throwable $thrown) {
            // Of data that writes itself.
            return self::members(['outcome' => 'exception', 'exception' => Runtime::describe($thrown)]);
        }

        return self::members(['outcome' => 'failure', 'code' => $failure->failureCode, 'message' => $failure->getMessage()]);
    }
}
