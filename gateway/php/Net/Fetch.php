<?php

declare(strict_types=1);

namespace FpmGateway\Net;

use FpmGateway\Client\Body;
use FpmGateway\Client\CallFailed;
use FpmGateway\Client\Deadline;
use FpmGateway\Client\Loop;
use FpmGateway\Client\Options;
use FpmGateway\Client\Request;
use FpmGateway\Fetched;
use FpmGateway\StreamFailed;

/**
 * One HTTP request behind `$call->fetch()`, over a connection of its own.
 *
 * @internal
 */
final class Fetch
{
    /** What says where a message ends is not the caller's. */
    private const OWN_HEADERS = ['content-length', 'transfer-encoding', 'connection', 'expect', 'upgrade', 'te', 'trailer'];

    /**
     * @param array<string, string> $headers
     *
     * @throws StreamFailed
     * @throws \InvalidArgumentException
     */
    public static function run(string $url, string $method, array $headers, string $body, int $maxBytes, Deadline $deadline): Fetched
    {
        $to = Url::parse($url);
        $head = self::head($to, $method, $headers, $body);
        Options::assertWithin('maxBytes', $maxBytes, 1, PHP_INT_MAX);
        $scheme = $to->isSecure ? 'https' : 'http';
        $tls = $to->isSecure ? ['peer_name' => $to->host] : [];
        $failure = null;
        foreach (Names::addresses($to->host) as $address) {
            $options = Options::once("$scheme://$address:$to->port", $tls, $maxBytes, $deadline);
            $request = new Request($options, $to->path, Body::of('', $body), []);
            $transfer = new FetchTransfer($request, $deadline, $method, $head, $maxBytes);
            $loop = new Loop($options, null, true);
            try {
                $loop->add($transfer);
                $loop->until($transfer->isOver(...));

                return $transfer->fetched();
            } catch (CallFailed $failure) {
                // Of several addresses the next may be alive. What was sent is not sent twice.
                if ($failure->failureCode !== 'network-failed' || $failure->executed !== 'no') {
                    break;
                }
            } finally {
                $loop->close();
            }
        }

        throw new StreamFailed(
            sprintf('%s %s: %s', $method, strtok($url, '?#'), $failure?->detail ?? 'it has no address.'),
            $failure?->failureCode === 'client-timeout',
            $failure,
        );
    }

    /**
     * @param array<mixed> $headers
     *
     * @throws \InvalidArgumentException
     */
    private static function head(Url $to, string $method, array $headers, string $body): string
    {
        if (preg_match('/^[A-Z]{1,20}$/D', $method) !== 1 || $method === 'CONNECT') {
            throw new \InvalidArgumentException(sprintf('"%s" is no method that can be fetched with: use GET, POST and the like, in capital letters.', addcslashes(substr($method, 0, 40), "\0..\37")));
        }
        $lines = "$method $to->path HTTP/1.1\r\n";
        $names = [];
        foreach ($headers as $name => $value) {
            if (!is_string($name) || preg_match('/^[!#$%&\'*+.^_`|~0-9A-Za-z-]+$/D', $name) !== 1 || !is_string($value) || preg_match('/[\0\r\n]/', $value) === 1) {
                throw new \InvalidArgumentException(sprintf('The header %s is malformed: headers are name => value, both text, without line breaks.', var_export($name, true)));
            }
            $names[strtolower($name)] = true;
            $lines .= "$name: $value\r\n";
        }
        foreach (self::OWN_HEADERS as $own) {
            if (isset($names[$own])) {
                throw new \InvalidArgumentException("The header $own is fetch()'s own: leave it out.");
            }
        }
        if (!isset($names['host'])) {
            $lines .= "Host: {$to->authority()}\r\n";
        }
        if ($body !== '' || !in_array($method, ['GET', 'HEAD', 'DELETE', 'OPTIONS'], true)) {
            $lines .= 'Content-Length: ' . strlen($body) . "\r\n";
        }

        return "{$lines}Connection: close\r\n\r\n";
    }
}
