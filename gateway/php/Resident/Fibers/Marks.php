<?php

declare(strict_types=1);

namespace FpmGateway\Resident\Fibers;

use FpmGateway\Resident\Leaks\Quiet;

use function fwrite;

/**
 * A file with the two bytes of the id of each request that has begun, in this order. When this worker is dead, the
 * gateway knows by it which calls have had an effect, and which others can be given to another worker.
 */
final class Marks
{
    /** @param resource $file */
    private function __construct(private $file)
    {
    }

    /** Before the worker accepts: a gateway that is connected finds it. */
    public static function at(string $path): self
    {
        $umask = umask(0177);
        $file = Quiet::run(static fn (): mixed => fopen($path, 'w'));
        umask($umask);
        if (!is_resource($file)) {
            throw new \RuntimeException("The worker cannot write to $path: make room on its disk, and let the pool's user write to its folder.");
        }
        stream_set_write_buffer($file, 0);

        return new self($file);
    }

    /** A call that could not be marked must not begin: it might be given to another worker, and run twice. */
    public function begun(string $id): void
    {
        if (@fwrite($this->file, $id) !== 2) {
            throw new \RuntimeException('the file of what has begun cannot be written, make room on its disk');
        }
    }
}
