<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Data of an error of upload-avatar. */
final class UploadAvatarErrorPictureTooSmall implements \JsonSerializable
{
    /**
     * @param int<1, max> $width
     * @param int<1, max> $height
     * @param int<1, max> $minSide
     */
    public function __construct(
        public readonly int $width,
        public readonly int $height,
        public readonly int $minSide,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            width: $data['width'],
            height: $data['height'],
            minSide: $data['minSide'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'width' => $this->width,
            'height' => $this->height,
            'minSide' => $this->minSide,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
