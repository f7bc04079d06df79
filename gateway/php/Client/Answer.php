<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\Binary;

/**
 * What an answer of the gateway means.
 *
 * @internal
 */
final class Answer
{
    private const SHOWN_BYTES = 200;

    /**
     * Before the body: what says success must come from a gateway of this version.
     *
     * @throws CallFailed
     */
    public static function assertCompatible(Transfer $transfer, Head $head): void
    {
        if ($head->isSuccess() && $head->header('fpm-gateway-protocol') !== Request::PROTOCOL) {
            throw self::incompatible($transfer, $head, '');
        }
    }

    /** @throws CallFailed */
    public static function value(Transfer $transfer, Head $head, string $body): mixed
    {
        if (!$head->isSuccess()) {
            throw self::failure($transfer, $head, $body);
        }
        if (self::isBytes($head) || $head->mediaType() !== 'application/json') {
            return new Binary($body, $head->header('content-type'));
        }
        try {
            return json_decode($body, true, 512, JSON_THROW_ON_ERROR);
        } catch (\JsonException $malformed) {
            throw $transfer->failure('bad-answer', sprintf('The result is no JSON: %s.', $malformed->getMessage()), $malformed);
        }
    }

    public static function failure(Transfer $transfer, Head $head, string $body): CallFailed
    {
        if ($head->header('fpm-gateway-protocol') !== Request::PROTOCOL) {
            return self::incompatible($transfer, $head, $body);
        }
        $problem = self::isJson($head) ? json_decode($body, true) : null;
        if ($head->mediaType() === 'application/problem+json' && is_array($problem)) {
            return CallFailed::fromProblem($problem, $head->status, $head->header('trace-id'), $transfer->request->requestId);
        }

        return new CallFailed(
            'script-refused',
            sprintf(
                'The script answered with status %d%s: %s',
                $head->status,
                $head->header('location') === '' ? '' : sprintf(' and location %s', self::shown($head->header('location'))),
                self::shown($body),
            ),
            status: $head->status,
            executed: 'yes',
            data: $problem ?? new Binary($body, $head->header('content-type')),
            traceId: $head->header('trace-id'),
            requestId: $transfer->request->requestId,
        );
    }

    private static function incompatible(Transfer $transfer, Head $head, string $body): CallFailed
    {
        $version = $head->header('fpm-gateway-protocol');
        $problem = json_decode($body, true);
        $says = is_array($problem) && is_string($problem['detail'] ?? null) ? $problem['detail'] : $body;

        return new CallFailed(
            'incompatible-gateway',
            sprintf(
                'The answer (status %d, %s) has %s, and this client speaks version %s: %s',
                $head->status,
                $head->mediaType() === '' ? 'no content-type' : $head->mediaType(),
                $version === '' ? 'no fpm-gateway-protocol' : 'fpm-gateway-protocol ' . self::shown($version),
                Request::PROTOCOL,
                $says === '' ? 'the address belongs to something else, or the versions of client and gateway do not fit.' : self::shown($says),
            ),
            status: $head->status,
            executed: is_array($problem) && ($problem['code'] ?? '') === 'protocol-mismatch' ? 'no' : 'unknown',
            traceId: $head->header('trace-id'),
            requestId: $transfer->request->requestId,
        );
    }

    /** The contract says `binary()`: it may be of JSON, and is bytes all the same. */
    public static function isBytes(Head $head): bool
    {
        return $head->header('fpm-gateway-output') === 'bytes';
    }

    private static function isJson(Head $head): bool
    {
        return preg_match('~^application/(?:json|[a-z0-9.+-]+\+json)$~D', $head->mediaType()) === 1;
    }

    private static function shown(string $text): string
    {
        $line = trim((string) preg_replace('/[\x00-\x20\x7f]+/', ' ', $text));

        return strlen($line) > self::SHOWN_BYTES ? substr($line, 0, self::SHOWN_BYTES) . '…' : $line;
    }
}
