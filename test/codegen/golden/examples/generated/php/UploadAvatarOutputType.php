<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Part of UploadAvatarOutput. */
enum UploadAvatarOutputType: string
{
    case ImagePng = 'image/png';
    case ImageJpeg = 'image/jpeg';
    case ImageWebp = 'image/webp';
}
