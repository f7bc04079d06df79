<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** One function of this process: its handler, loaded once, or why it could not be. */
final class Handler
{
    /**
     * @param \Closure|null             $run       null where the file does not load
     * @param class-string|null         $class     what it takes instead of an array
     * @param 'items'|'bytes'|null      $streams   what its contract promises a stream of
     * @param array<string, mixed>|null $exception why it does not load
     * @param string                    $stray     what its file printed
     * @param bool                      $sets      its file names what changes php.ini or the environment
     */
    public function __construct(
        public readonly string $name,
        public readonly string $file,
        public readonly ?string $streams,
        public readonly ?\Closure $run,
        public readonly ?string $class,
        public readonly ?array $exception,
        public readonly string $stray,
        public readonly bool $sets,
    ) {
    }
}
