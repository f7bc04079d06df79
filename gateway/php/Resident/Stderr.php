<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Quiet;

use function fread;
use function strlen;

/**
 * Descriptors 1 and 2 of a worker: one private file without a name, read after each call. So what PHP logs, and what
 * programs print that a handler started, belongs to the call in which it was written.
 */
final class Stderr
{
    private const MAX_BYTES = 65_535;
    private const READ_BYTES = 1024;

    /** @var resource */
    private static $stdin;
    /** @var resource */
    private static $stdout;
    /** @var resource */
    private static $stderr;
    /** @var resource descriptor 1, for its life */
    private $first;
    /** @var resource descriptor 2 */
    private $second;
    /** @var resource with an offset of its own */
    private $read;
    /** @var resource the gateway's log */
    private $log;

    /**
     * Before anything else opens them: the first streams there are the descriptors themselves, later ones are copies,
     * which anybody may close.
     */
    public static function hold(): void
    {
        self::$stdin = \defined('STDIN') ? \STDIN : fopen('php://stdin', 'r');
        self::$stdout = \defined('STDOUT') ? \STDOUT : fopen('php://stdout', 'w');
        self::$stderr = \defined('STDERR') ? \STDERR : fopen('php://stderr', 'w');
    }

    /**
     * When the bootstrap has run: of descriptors that it closed, the next to be opened would take the place, and PHP's
     * log would go into a connection.
     */
    public static function refill(): void
    {
        // Each takes the lowest that is free.
        self::$stdin = is_resource(self::$stdin) ? self::$stdin : fopen('/dev/null', 'r');
        self::$stdout = is_resource(self::$stdout) ? self::$stdout : fopen('/dev/null', 'a');
        self::$stderr = is_resource(self::$stderr) ? self::$stderr : fopen('/dev/null', 'a');
    }

    public function __construct(string $folder)
    {
        $this->log = Quiet::run(static fn (): mixed => fopen('php://fd/2', 'w'));
        $path = sprintf('%s/fpmg-%d-%s.log', is_dir($folder) && is_writable($folder) ? $folder : sys_get_temp_dir(), getmypid(), bin2hex(random_bytes(8)));
        $umask = umask(0177);
        // PHP can only close descriptors 1 and 2: the next two to be opened take the lowest numbers, which are theirs.
        fclose(self::$stdout);
        $first = Quiet::run(static fn (): mixed => fopen($path, 'a+'));
        umask($umask);
        if (!is_resource($first)) {
            $this->tell("The worker cannot write to $path: what its calls log is lost.");
            $first = fopen('/dev/null', 'a+');
            $path = '/dev/null';
        }
        $this->first = $first;
        fclose(self::$stderr);
        $this->second = Quiet::run(static fn (): mixed => fopen('php://fd/1', 'a'));
        $this->read = fopen($path, 'r');
        stream_set_read_buffer($this->read, 0);
        if ($path !== '/dev/null') {
            unlink($path);
        }
    }

    /** What was written since the last call, its beginning where it is too much. */
    public function take(): string
    {
        $text = fread($this->read, self::READ_BYTES);
        if ($text === '' || $text === false) {
            return '';
        }
        if (strlen($text) === self::READ_BYTES) {
            $text .= fread($this->read, self::MAX_BYTES - self::READ_BYTES);
        }
        // Empty again: it must not grow with the calls.
        ftruncate($this->first, 0);
        rewind($this->read);

        return $text;
    }

    /** What a worker cannot go on after. */
    public function tellEnd(\Throwable $broken): void
    {
        // The second: as of streams that a handler found and closed.
        $this->tell(sprintf(
            $broken instanceof Malformed
                ? 'Worker %d ends: the gateway, or a handler in its name, sent %s.'
                : 'Worker %d ends: what it works with was closed or changed by a handler: %s.',
            getmypid(),
            $broken->getMessage(),
        ));
    }

    /** For the gateway's log: of no call. */
    public function tell(string $line): void
    {
        if (is_resource($this->log)) {
            Quiet::run(fn (): int|false => fwrite($this->log, $line . "\n"));
        }
    }
}
