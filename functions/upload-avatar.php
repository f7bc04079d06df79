<?php

declare(strict_types=1);

use FpmGateway\Call;
use FpmGateway\Failure;
use FpmGateway\UploadedFile;

$minSide = 64;
// GD holds 4 bytes for each pixel: 64 MB for this.
$maxPixels = 16_000_000;

/** @param array{nickname: string, avatar: UploadedFile} $input */
return static function (array $input, Call $call) use ($minSide, $maxPixels): array {
    $avatar = $input['avatar'];

    // The head of the file tells its size. Decoding first would let a few kilobytes ask for gigabytes of memory.
    [$width, $height] = @getimagesize($avatar->path) ?: [0, 0];
    if ($width < 1 || $height < 1) {
        throw new Failure('broken-picture', ['reason' => 'Its head cannot be read.'], 'The head of the picture cannot be read.');
    }
    if (min($width, $height) < $minSide) {
        $data = ['width' => $width, 'height' => $height, 'minSide' => $minSide];
        throw new Failure('picture-too-small', $data, "It has $width × $height pixels; each side needs $minSide.");
    }
    if ($width * $height > $maxPixels) {
        $data = ['width' => $width, 'height' => $height, 'maxPixels' => $maxPixels];
        throw new Failure('picture-too-large', $data, "It has $width × $height pixels; $maxPixels in all are taken.");
    }

    $bytes = $avatar->contents();
    // GD draws what there is of a JPEG that is cut off, and does not tell: its end mark must come behind its last scan.
    $isCut = $avatar->mediaType === 'image/jpeg' && strrpos($bytes, "\xFF\xD9") < strrpos($bytes, "\xFF\xDA");
    if ($isCut || @imagecreatefromstring($bytes) === false) {
        throw new Failure('broken-picture', ['reason' => 'It is damaged or cut off.'], 'The picture is damaged or cut off.');
    }

    return [
        'nickname' => $input['nickname'],
        'width' => $width,
        'height' => $height,
        'type' => $avatar->mediaType,
        'bytes' => $avatar->size,
        'sha256' => (string) hash_file('sha256', $avatar->path),
        'fileName' => $avatar->name,
    ];
};
