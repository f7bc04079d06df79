<?php

declare(strict_types=1);

namespace FpmGateway\Cache;

/**
 * The way to a cache: the commands and statuses of gateway/cache/protocol.ts.
 *
 * @internal
 */
interface Way
{
    public const GET = 1;
    public const SET = 2;
    public const ADD = 3;
    public const DELETE = 4;
    public const INCREMENT = 5;
    public const LEASE = 6;
    public const FILL = 7;
    public const RELEASE = 8;

    public const OK = "\x00";
    public const NO = "\x01";
    public const LEASED = "\x02";
    public const BUSY = "\x03";
    public const NOT_AN_INTEGER = "\x10";
    public const OVERFLOW = "\x11";
    public const TOO_LARGE = "\x12";
    public const MALFORMED = "\x13";

    /** Where an answer has its status; what the status brings along is behind it. */
    public const STATUS_AT = 12;
    public const PAYLOAD_AT = 13;

    /**
     * @param string $behind    what comes behind the head: arguments, the key and the value
     * @param bool   $repeats   doing it twice is as good as doing it once
     * @param float  $patienceMs how long the answer may take more than others
     *
     * @return string the answer, its head included
     *
     * @throws Unavailable
     */
    public function ask(int $command, int $keyBytes, string $behind, bool $repeats, float $patienceMs = 0.0): string;

    /**
     * @param list<string> $keys
     *
     * @return list<string> an answer for each
     *
     * @throws Unavailable
     */
    public function getAll(array $keys): array;
}
