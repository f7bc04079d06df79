<?php

declare(strict_types=1);

namespace FpmGateway;

/**
 * How PHP tells the gateway what became of a call:
 *
 *     FPMG1 <attempt id> <meta bytes> <payload bytes>\n<meta: JSON><payload: JSON or bytes>
 *
 * The attempt id makes an envelope impossible to forge by echoing input, the lengths make a cut one visible.
 */
final class Envelope
{
    private const META_FLAGS = JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR
        | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;

    /** @param array<string, mixed> $meta */
    public static function encode(string $attemptId, array $meta, string $payload): string
    {
        $json = (string) json_encode($meta, self::META_FLAGS);

        return sprintf("FPMG1 %s %d %d\n", $attemptId, strlen($json), strlen($payload)) . $json . $payload;
    }

    /** @throws \JsonException for values JSON cannot express: NAN, INF, broken UTF-8, recursion */
    public static function json(mixed $value): string
    {
        return json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
    }
}
