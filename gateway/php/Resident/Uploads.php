<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Quiet;
use FpmGateway\UploadedFile;

/**
 * The body of a call with files, written to disk as it comes, so that no file is ever whole in memory:
 *
 *     <bytes of the header>\n<header: JSON><bytes of file 0><bytes of file 1>…
 */
final class Uploads
{
    private const MAX_LENGTH_DIGITS = 10;

    /** What the start of the body says, as far as it came. */
    private string $start = '';
    /** @var array{input: mixed, files: list<array{path: list<string|int>, name: string, mediaType: string, size: int}>}|null */
    private ?array $header = null;
    /** @var list<string> where the files are, so far */
    private array $paths = [];
    /** @var resource|null */
    private $open = null;
    private int $leftBytes = 0;
    /** Told when the call is served: a full disk is no fault of the connection. */
    private ?string $failure = null;

    public function __construct(private readonly string $folder)
    {
    }

    public function push(string $bytes): void
    {
        if ($this->header === null) {
            $this->start .= $bytes;
            $bytes = $this->readHeader();
        }
        while ($bytes !== '') {
            if ($this->open === null) {
                throw new Malformed('more bytes of files than were announced');
            }
            $piece = $this->leftBytes >= strlen($bytes) ? $bytes : substr($bytes, 0, $this->leftBytes);
            if ($this->failure === null) {
                $this->write($piece);
            }
            $this->leftBytes -= strlen($piece);
            $bytes = (string) substr($bytes, strlen($piece));
            if ($this->leftBytes === 0) {
                $this->nextFile();
            }
        }
    }

    public function end(): void
    {
        $this->start = '';
        if ($this->header === null || $this->open !== null) {
            throw new Malformed('fewer bytes of files than were announced');
        }
    }

    /** The call's input, with files in it. */
    public function input(): mixed
    {
        if ($this->failure !== null) {
            throw new \UnexpectedValueException(sprintf('An uploaded file could not be written to %s: %s', $this->folder, $this->failure));
        }
        $input = $this->header['input'] ?? null;
        foreach ($this->header['files'] ?? [] as $number => $file) {
            $place = &$input;
            foreach ($file['path'] as $key) {
                $place = &$place[$key];
            }
            $place = new UploadedFile($file['name'], $file['mediaType'], $file['size'], $this->paths[$number]);
            unset($place);
        }

        return $input;
    }

    /** What no handler moved away. */
    public function remove(): void
    {
        if ($this->open !== null) {
            fclose($this->open);
            $this->open = null;
        }
        foreach ($this->paths as $path) {
            if (is_file($path)) {
                Quiet::run(static fn (): bool => unlink($path));
            }
        }
        $this->paths = [];
        $this->header = null;
    }

    /** What of the bytes is behind the header. */
    private function readHeader(): string
    {
        $line = strpos($this->start, "\n");
        $digits = $line === false ? $this->start : substr($this->start, 0, $line);
        if (strlen($digits) > self::MAX_LENGTH_DIGITS || ($digits !== '' && !ctype_digit($digits)) || ($line !== false && $digits === '')) {
            throw new Malformed('a call with files whose header has no length');
        }
        if ($line === false || strlen($this->start) - $line - 1 < (int) $digits) {
            return '';
        }
        $header = json_decode(substr($this->start, $line + 1, (int) $digits), true);
        if (!is_array($header) || !array_is_list($header['files'] ?? null)) {
            throw new Malformed('a call with files whose header is no JSON');
        }
        $rest = substr($this->start, $line + 1 + (int) $digits);
        $this->start = '';
        $this->header = $header;
        $this->nextFile();

        return $rest;
    }

    private function nextFile(): void
    {
        if ($this->open !== null) {
            fclose($this->open);
            $this->open = null;
        }
        // Empty ones get their file, too, and no bytes.
        while (($size = $this->header['files'][count($this->paths)]['size'] ?? null) !== null) {
            $path = sprintf('%s/fpmg-%d-%s', $this->folder, getmypid(), bin2hex(random_bytes(8)));
            $umask = umask(0177);
            $failure = 'unknown reason';
            $open = self::watched(static fn (): mixed => fopen($path, 'x'), $failure);
            umask($umask);
            $this->paths[] = $path;
            if ($open === false) {
                $this->failure ??= $failure;
                // The bytes must be read all the same: other requests are behind them.
                $open = fopen('/dev/null', 'w');
            }
            if ($size > 0) {
                $this->open = $open;
                $this->leftBytes = $size;

                return;
            }
            fclose($open);
        }
    }

    private function write(string $piece): void
    {
        $failure = 'unknown reason';
        $open = $this->open;
        if (self::watched(static fn (): mixed => fwrite($open, $piece), $failure) !== strlen($piece)) {
            $this->failure = $failure;
        }
    }

    /** The warning goes to nobody else: the application's error handler may throw, and this is not within a call. */
    private static function watched(\Closure $do, string &$failure): mixed
    {
        set_error_handler(static function (int $level, string $message) use (&$failure): bool {
            $failure = $message;

            return true;
        });
        try {
            return $do();
        } finally {
            restore_error_handler();
        }
    }
}
