<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * What PHP warns of while it connects: the first warning says why, and `error_get_last` knows the last one only.
 *
 * @internal
 */
final class Warnings
{
    private string $first = '';

    /** @param \Closure(): mixed $do */
    public function during(\Closure $do): mixed
    {
        set_error_handler(function (int $level, string $message): bool {
            $this->first = $this->first !== '' ? $this->first : $message;

            return true;
        });
        try {
            return $do();
        } finally {
            restore_error_handler();
        }
    }

    /** On one line, without the name of PHP's function. */
    public function first(): string
    {
        $line = preg_replace(['/^\w+\(\): /', '/\s+/'], ['', ' '], $this->first);

        return $this->first === '' ? 'no reason is known' : rtrim((string) $line, '. ');
    }
}
