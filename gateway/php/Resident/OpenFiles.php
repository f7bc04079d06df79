<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

use FpmGateway\Resident\Leaks\Quiet;

/**
 * What the application opened while it was loaded, and forks must not share: two workers that talk over one socket
 * to a database, or write through one file offset, mix up what they say. Known from /proc; elsewhere nothing is found.
 */
final class OpenFiles
{
    /** @var array<int, string> */
    private array $before;

    public function __construct()
    {
        $this->before = self::all();
    }

    /** Why forks cannot share what was opened since; null when they can. */
    public function unshared(string $file): ?string
    {
        return Quiet::run(fn (): ?string => $this->found($file));
    }

    private function found(string $file): ?string
    {
        foreach (self::all() as $descriptor => $target) {
            if (($this->before[$descriptor] ?? null) === $target) {
                continue;
            }
            $what = match (true) {
                str_starts_with($target, 'socket:') => self::socket($target),
                str_starts_with($target, 'pipe:') => 'a pipe to another process',
                str_starts_with($target, '/') => self::file($descriptor, $target),
                default => null,
            };
            if ($what !== null) {
                return sprintf('%s opened %s, which forked workers would share', $file, $what);
            }
        }

        return null;
    }

    /** @return array<int, string> */
    public static function sockets(): array
    {
        $all = Quiet::run(self::all(...)) ?? [];

        return array_filter($all, static fn (string $target): bool => str_starts_with($target, 'socket:'));
    }

    /** @return array<int, string> what each descriptor is, as far as the system tells */
    private static function all(): array
    {
        $all = [];
        foreach (@scandir('/proc/self/fd') ?: [] as $name) {
            // The folder itself was among them, and is closed by now.
            $target = is_numeric($name) ? @readlink("/proc/self/fd/$name") : false;
            if (is_string($target)) {
                $all[(int) $name] = $target;
            }
        }

        return $all;
    }

    private static function file(int $descriptor, string $path): ?string
    {
        $deleted = str_ends_with($path, ' (deleted)');
        if (!$deleted && !is_file($path)) {
            return null;
        }
        preg_match('/^flags:\s+0?(\d+)$/m', (string) @file_get_contents("/proc/self/fdinfo/$descriptor"), $found);
        $flags = (int) octdec($found[1] ?? '0');
        // Each write to a log goes to its end, whoever else has it open.
        $appends = ($flags & 02000) !== 0;
        if (($flags & 3) !== 0 && !$appends) {
            return "the file $path for writing";
        }

        return !$appends && @file_get_contents($path, false, null, 0, 15) === 'SQLite format 3' ? "the SQLite database $path" : null;
    }

    private static function socket(string $target): string
    {
        $inode = trim(substr($target, 7), '[]');
        foreach (['tcp', 'tcp6'] as $kind) {
            foreach (@file("/proc/net/$kind") ?: [] as $line) {
                $fields = preg_split('/\s+/', trim($line)) ?: [];
                if (($fields[9] ?? '') === $inode) {
                    return 'a socket to ' . self::address($fields[2]);
                }
            }
        }

        return 'a socket';
    }

    /** As /proc writes it: words in the machine's byte order, then the port. */
    private static function address(string $text): string
    {
        [$host, $port] = explode(':', $text);
        $packed = implode('', array_map(static fn (string $word): string => strrev((string) hex2bin($word)), str_split($host, 8)));

        return sprintf(strlen($packed) === 4 ? '%s:%d' : '[%s]:%d', (string) inet_ntop($packed), hexdec($port));
    }
}
