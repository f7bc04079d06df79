<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\UploadedFile;

/**
 * Writes inputs: as JSON, or where there are files in them as a form; one file alone is the body.
 *
 * @internal
 */
final class Input
{
    /** @throws \InvalidArgumentException for what cannot be written */
    public static function body(string $function, mixed $input): Body
    {
        $file = self::file($input);
        if ($file !== null) {
            return Body::ofLength(self::line($file->mediaType), $file->size, $file->pieces(...));
        }
        if (is_array($input)) {
            foreach ($input as $member) {
                $first = is_array($member) && $member !== [] ? reset($member) : $member;
                if (self::file($first) !== null) {
                    return self::form($function, $input);
                }
            }
        }

        return Body::of('application/json', self::json($function, $input));
    }

    /** @throws \InvalidArgumentException */
    public static function json(string $function, mixed $input): string
    {
        // Inputs are objects nearly always, and PHP has one empty array for both.
        if ($input === []) {
            return '{}';
        }
        try {
            return json_encode($input, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        } catch (\JsonException $unencodable) {
            throw new \InvalidArgumentException(sprintf('The input of %s cannot be written as JSON: %s.', $function, $unencodable->getMessage()), 0, $unencodable);
        }
    }

    private static function file(mixed $value): ?File
    {
        if ($value instanceof File) {
            return $value;
        }

        return $value instanceof UploadedFile ? File::at($value->path, $value->name, $value->mediaType) : null;
    }

    /** @param array<mixed> $input */
    private static function form(string $function, array $input): Body
    {
        $boundary = bin2hex(random_bytes(20));
        $fields = '';
        $files = [];
        foreach ($input as $name => $member) {
            $list = is_array($member) && $member !== [] && array_is_list($member) ? $member : null;
            if (self::file($member) !== null) {
                $files[] = [(string) $name, self::file($member)];
            } elseif ($list !== null && self::file($list[0]) !== null) {
                foreach ($list as $one) {
                    $files[] = ["{$name}[]", self::file($one) ?? throw new \InvalidArgumentException(sprintf('The member %s of the input of %s has files and other values in one list.', $name, $function))];
                }
            } else {
                $fields .= self::fields($function, $boundary, (string) $name, $member);
            }
        }
        $heads = array_map(static fn (array $file): string => self::partHead($boundary, $file[0], $file[1]), $files);
        $end = "--$boundary--\r\n";
        $length = strlen($fields) + strlen($end);
        foreach ($files as $at => [, $file]) {
            $length += strlen($heads[$at]) + $file->size + 2;
        }
        $pieces = static function () use ($fields, $files, $heads, $end): iterable {
            $before = $fields;
            foreach ($files as $at => [, $file]) {
                yield $before . $heads[$at];
                foreach ($file->pieces() as $piece) {
                    yield $piece;
                }
                $before = "\r\n";
            }
            yield $before . $end;
        };

        return Body::ofLength("multipart/form-data; boundary=$boundary", $length, $pieces);
    }

    /** As PHP names nested fields. `null` has no text of its own: the member is left out. */
    private static function fields(string $function, string $boundary, string $name, mixed $value): string
    {
        if ($value instanceof \JsonSerializable || $value instanceof \stdClass || $value instanceof \BackedEnum) {
            $value = json_decode(self::json($function, $value), true);
        }
        if (is_array($value)) {
            $all = '';
            foreach ($value as $key => $member) {
                $all .= self::fields($function, $boundary, array_is_list($value) && !is_array($member) ? "{$name}[]" : "{$name}[$key]", $member);
            }

            return $all;
        }
        if ($value === null) {
            return '';
        }
        if (!is_scalar($value)) {
            throw new \InvalidArgumentException(sprintf('The member %s of the input of %s is %s: with files in the input, members are scalars, arrays and files at the top or in a list there.', $name, $function, get_debug_type($value)));
        }
        $text = is_string($value) ? $value : self::json($function, $value);

        return sprintf("--%s\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n", $boundary, self::quoted($name), $text);
    }

    private static function partHead(string $boundary, string $name, File $file): string
    {
        return sprintf(
            "--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\nContent-Type: %s\r\n\r\n",
            $boundary,
            self::quoted($name),
            self::quoted($file->name),
            self::line($file->mediaType),
        );
    }

    private static function quoted(string $text): string
    {
        return strtr($text, ['"' => '\"', '\\' => '\\\\', "\r" => '', "\n" => '', "\0" => '']);
    }

    private static function line(string $text): string
    {
        return preg_match('/[\0\r\n]/', $text) === 1
            ? throw new \InvalidArgumentException(sprintf('"%s" is no media type.', addcslashes($text, "\0..\37")))
            : $text;
    }
}
