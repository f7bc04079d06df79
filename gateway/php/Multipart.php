<?php

declare(strict_types=1);

namespace FpmGateway;

/** The input of a call with files: multipart, whose part `input` is JSON and whose part `files` says where they belong. */
final class Multipart
{
    public static function input(): mixed
    {
        $json = $_POST['input'] ?? null;
        if (!is_string($json)) {
            throw new \UnexpectedValueException(self::refused('the fields of a call', UPLOAD_ERR_PARTIAL));
        }
        $input = json_decode($json, true, 512, JSON_THROW_ON_ERROR);
        /** @var list<array{path: list<string|int>, mediaType: string}> $files */
        $files = json_decode((string) ($_POST['files'] ?? ''), true, 512, JSON_THROW_ON_ERROR);
        foreach ($files as $number => ['path' => $path, 'mediaType' => $mediaType]) {
            $place = &$input;
            foreach ($path as $key) {
                $place = &$place[$key];
            }
            $place = self::file($_FILES["f$number"] ?? null, $mediaType);
            unset($place);
        }

        return $input;
    }

    /** @param array<string, mixed>|null $entry of `$_FILES` */
    private static function file(?array $entry, string $mediaType): UploadedFile
    {
        $error = $entry['error'] ?? UPLOAD_ERR_NO_FILE;
        if ($entry === null || $error !== UPLOAD_ERR_OK) {
            throw new \UnexpectedValueException(self::refused('an uploaded file', (int) $error));
        }

        return new UploadedFile((string) $entry['name'], $mediaType, (int) $entry['size'], (string) $entry['tmp_name']);
    }

    /** The gateway's limits are the tighter ones in pools it runs itself: this is about attached ones, and full disks. */
    private static function refused(string $what, int $error): string
    {
        return sprintf(
            'PHP refused %s (upload error %d): its limits are post_max_size %s, upload_max_filesize %s, max_file_uploads %s, and upload_tmp_dir %s must be writable.',
            $what,
            $error,
            (string) ini_get('post_max_size'),
            (string) ini_get('upload_max_filesize'),
            (string) ini_get('max_file_uploads'),
            (string) ini_get('upload_tmp_dir') ?: sys_get_temp_dir(),
        );
    }
}
