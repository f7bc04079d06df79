<?php

declare(strict_types=1);

use FpmGateway\Binary;
use FpmGateway\Call;
use FpmGateway\Failure;

// GD holds 4 bytes for each pixel: 64 MB for this, and as much again for the largest result.
$maxPixels = 16_000_000;
$types = [IMAGETYPE_JPEG, IMAGETYPE_PNG, IMAGETYPE_GIF, IMAGETYPE_WEBP];

/** The quarter turns, counter-clockwise, and the mirroring that show a photo the way the camera was held. */
$orientation = static function (string $bytes, int $type): array {
    $value = 1;
    if ($type === IMAGETYPE_JPEG && function_exists('exif_read_data')) {
        $stream = fopen('php://memory', 'r+b');
        fwrite($stream, $bytes);
        rewind($stream);
        // Broken EXIF is common and no reason to refuse a good photo.
        $value = (@exif_read_data($stream) ?: [])['Orientation'] ?? 1;
    }

    return match ($value) {
        2 => [0, true],
        3 => [2, false],
        4 => [2, true],
        5 => [3, true],
        6 => [3, false],
        7 => [1, true],
        8 => [1, false],
        default => [0, false],
    };
};

/**
 * @param array{image: string, width?: int, height?: int, fit: string, format: string, quality: int} $input
 */
return static function (array $input, Call $call) use ($maxPixels, $types, $orientation): Binary {
    $bytes = (string) base64_decode($input['image'], true);

    // The head of the file tells its size. Decoding first would let a few kilobytes ask for gigabytes of memory.
    [$width, $height, $type] = @getimagesizefromstring($bytes) ?: [0, 0, 0];
    if (!in_array($type, $types, true) || $width < 1 || $height < 1) {
        throw new Failure('not-an-image', ['reason' => 'These bytes are not JPEG, PNG, GIF or WebP.']);
    }
    if ($width * $height > $maxPixels) {
        throw new Failure('image-too-large', [
            'width' => $width,
            'height' => $height,
            'maxPixels' => $maxPixels,
        ]);
    }
    $source = @imagecreatefromstring($bytes);
    if ($source === false) {
        throw new Failure('not-an-image', ['reason' => 'The image is damaged or of a kind that cannot be read.']);
    }

    // Turned after resizing, when there are fewer pixels to turn: until then, the limits lie on their side too.
    [$turns, $mirror] = $orientation($bytes, $type);
    $maxWidth = $input['width'] ?? null;
    $maxHeight = $input['height'] ?? null;
    if ($turns % 2 === 1) {
        [$maxWidth, $maxHeight] = [$maxHeight, $maxWidth];
    }

    if ($input['fit'] === 'cover' && $maxWidth !== null && $maxHeight !== null) {
        [$newWidth, $newHeight] = [$maxWidth, $maxHeight];
        $scale = max($newWidth / $width, $newHeight / $height);
        $cutWidth = max(1, min($width, (int) round($newWidth / $scale)));
        $cutHeight = max(1, min($height, (int) round($newHeight / $scale)));
    } else {
        $scale = min(1, ($maxWidth ?? $width) / $width, ($maxHeight ?? $height) / $height);
        [$newWidth, $newHeight] = [max(1, (int) round($width * $scale)), max(1, (int) round($height * $scale))];
        [$cutWidth, $cutHeight] = [$width, $height];
    }

    $image = imagecreatetruecolor($newWidth, $newHeight);
    // JPEG cannot be transparent: lay it on white. The others keep what they have.
    $onWhite = $input['format'] === 'jpeg';
    imagealphablending($image, $onWhite);
    imagesavealpha($image, !$onWhite);
    $background = imagecolorallocatealpha($image, 255, 255, 255, $onWhite ? 0 : 127);
    imagefilledrectangle($image, 0, 0, $newWidth - 1, $newHeight - 1, $background);
    imagecopyresampled(
        $image,
        $source,
        0,
        0,
        intdiv($width - $cutWidth, 2),
        intdiv($height - $cutHeight, 2),
        $newWidth,
        $newHeight,
        $cutWidth,
        $cutHeight,
    );
    unset($source);

    if ($turns > 0) {
        $image = imagerotate($image, 90 * $turns, 0);
        imagesavealpha($image, !$onWhite);
    }
    if ($mirror) {
        imageflip($image, IMG_FLIP_HORIZONTAL);
    }

    ob_start();
    match ($input['format']) {
        'jpeg' => imagejpeg($image, null, $input['quality']),
        'png' => imagepng($image),
        'webp' => imagewebp($image, null, $input['quality']),
    };

    return new Binary((string) ob_get_clean(), 'image/' . $input['format']);
};
