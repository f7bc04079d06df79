<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/** A file in the input of a call: a member of it or of a list there, or the whole input. */
final class File implements \JsonSerializable
{
    /** @param \Closure(): iterable<string> $pieces */
    private function __construct(
        public readonly string $name,
        public readonly string $mediaType,
        public readonly int $size,
        private readonly \Closure $pieces,
    ) {
    }

    /** It is read while it is sent, and must not change until then. @throws \InvalidArgumentException */
    public static function at(string $path, ?string $name = null, string $mediaType = 'application/octet-stream'): self
    {
        $size = is_file($path) && is_readable($path) ? filesize($path) : false;
        if ($size === false) {
            throw new \InvalidArgumentException(sprintf('There is no readable file %s.', $path));
        }

        return new self($name ?? basename($path), $mediaType, $size, static fn (): iterable => self::read($path, $size));
    }

    public static function of(string $bytes, string $name, string $mediaType = 'application/octet-stream'): self
    {
        return new self($name, $mediaType, strlen($bytes), static fn (): iterable => $bytes === '' ? [] : [$bytes]);
    }

    /** Inputs with files are sent as forms, not as JSON: one that comes here lies where no file can be. */
    public function jsonSerialize(): never
    {
        throw new \InvalidArgumentException(sprintf('The file %s lies too deep in the input: files are members of it or of a list there, or the input itself. Batches take none.', $this->name));
    }

    /**
     * @internal
     *
     * @return iterable<string>
     */
    public function pieces(): iterable
    {
        return ($this->pieces)();
    }

    /** @return \Generator<int, string> */
    private static function read(string $path, int $size): \Generator
    {
        $file = @fopen($path, 'rb');
        try {
            for ($missing = $size; $missing > 0; $missing -= strlen($piece)) {
                $piece = $file === false ? '' : (string) @fread($file, min($missing, 262_144));
                if ($piece === '') {
                    // The head has promised more: only a broken connection can take that back.
                    throw new Broken(sprintf('The file %s became shorter or unreadable while it was sent.', $path));
                }
                yield $piece;
            }
        } finally {
            if ($file !== false) {
                fclose($file);
            }
        }
    }
}
