<?php

declare(strict_types=1);

namespace FpmGateway;

/** A file that came with a call. It is gone when the handler returns, unless it was moved. */
final class UploadedFile
{
    /**
     * @param string $name      as the caller named it, without folders and control characters: for people, never for paths
     * @param string $mediaType as the first bytes prove it, and allowed by the contract
     * @param int    $size      bytes
     * @param string $path      where PHP keeps it until the handler returns
     */
    public function __construct(
        public readonly string $name,
        public readonly string $mediaType,
        public readonly int $size,
        public readonly string $path,
    ) {
    }

    /** For unit tests of handlers. The file is removed when PHP ends. */
    public static function fake(string $contents, string $name = 'fake.txt', string $mediaType = 'text/plain'): self
    {
        $path = (string) tempnam(sys_get_temp_dir(), 'fpmg');
        file_put_contents($path, $contents);
        register_shutdown_function(static fn (): bool => @unlink($path));

        return new self($name, $mediaType, strlen($contents), $path);
    }

    public function contents(): string
    {
        return (string) file_get_contents($this->path);
    }

    /** Keeps the file. @throws \RuntimeException when it cannot be written there */
    public function moveTo(string $target): void
    {
        $isPhps = is_uploaded_file($this->path);
        $moved = $isPhps ? @move_uploaded_file($this->path, $target) : @rename($this->path, $target);
        if ($moved && !$isPhps) {
            // As move_uploaded_file() does: while it lay in the folder for uploads it was its user's alone.
            @chmod($target, 0666 & ~umask());
        }
        if (!$moved) {
            throw new \RuntimeException(sprintf('The uploaded file cannot be moved to %s: %s', $target, error_get_last()['message'] ?? 'unknown reason'));
        }
    }
}
