<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of upload-avatar. */
final class UploadAvatarOutput implements \JsonSerializable
{
    /**
     * @param int<1, max> $width
     * @param int<1, max> $height
     * @param int<1, max> $bytes
     */
    public function __construct(
        public readonly string $nickname,
        public readonly int $width,
        public readonly int $height,
        public readonly UploadAvatarOutputType $type,
        public readonly int $bytes,
        public readonly string $sha256,
        public readonly string $fileName,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            nickname: $data['nickname'],
            width: $data['width'],
            height: $data['height'],
            type: UploadAvatarOutputType::from($data['type']),
            bytes: $data['bytes'],
            sha256: $data['sha256'],
            fileName: $data['fileName'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'nickname' => $this->nickname,
            'width' => $this->width,
            'height' => $this->height,
            'type' => $this->type,
            'bytes' => $this->bytes,
            'sha256' => $this->sha256,
            'fileName' => $this->fileName,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
