<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * What the gateway tells PHP about the call it is in, as parameters of the request.
 *
 * @internal
 */
final class Surroundings
{
    /**
     * @param string|null $traceparent of the span of this PHP code
     * @param string|null $caller      `<call id> <path>`, so that the gateway knows who calls whom
     * @param Deadline    $deadline    when this worker is stopped
     */
    private function __construct(
        public readonly string $address,
        public readonly ?string $traceparent,
        public readonly ?string $caller,
        public readonly Deadline $deadline,
    ) {
    }

    /**
     * Of a handler or a script that the gateway runs; elsewhere of a process that was given an address.
     *
     * @throws \LogicException where there is none
     */
    public static function ofEnvironment(): self
    {
        $call = explode(' ', self::variable('FPMG_CALL'));
        if (count($call) < 2) {
            return new self(self::address(), null, null, Deadline::never());
        }
        $startedS = is_numeric($_SERVER['REQUEST_TIME_FLOAT'] ?? null) ? (float) $_SERVER['REQUEST_TIME_FLOAT'] : microtime(true);
        $leftMs = (float) $call[0] - max(0.0, microtime(true) - $startedS) * 1000;
        $caller = self::caller(explode('.', self::variable('FPMG_ATTEMPT_ID'))[0], self::variable('FPMG_FUNCTION'), $call[2] ?? '');

        return new self(self::address(), $call[1], $caller, Deadline::in($leftMs));
    }

    /** @param string $outer the functions outside of this one, outermost first, joined by commas */
    public static function ofCall(string $callId, string $function, string $outer, string $traceparent, float $leftMs): self
    {
        return new self(self::address(), $traceparent, self::caller($callId, $function, $outer), Deadline::in($leftMs));
    }

    private static function caller(string $callId, string $function, string $outer): ?string
    {
        return $callId === '' || $function === '' ? null : sprintf('%s %s%s', $callId, $outer === '' ? '' : "$outer,", $function);
    }

    private static function address(): string
    {
        $address = self::variable('FPMG_GATEWAY');

        return $address !== '' ? $address : throw new \LogicException('FPMG_GATEWAY is not set: pools that the gateway runs have it, unless internal.enabled is off. Set it for other PHP, or use Client::connect() with the address of the gateway.');
    }

    private static function variable(string $name): string
    {
        $value = getenv($name);

        // Scripts may have the parameters of the request there alone.
        return is_string($value) && $value !== '' ? $value : (is_string($_SERVER[$name] ?? null) ? $_SERVER[$name] : '');
    }
}
