<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of upload-avatar. */
final class UploadAvatarInput implements \JsonSerializable
{
    /**
     * @param non-empty-string $nickname
     */
    public function __construct(
        public readonly string $nickname,
        public readonly \FpmGateway\UploadedFile|\FpmGateway\Client\File $avatar,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            nickname: $data['nickname'],
            avatar: $data['avatar'],
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'nickname' => $this->nickname,
            'avatar' => $this->avatar,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars, and files */
    public function toArray(): array
    {
        $data = (array) $this->jsonSerialize();
        $files = array_intersect_key($data, ['avatar' => true]);

        return $files + (array) json_decode((string) json_encode(array_diff_key($data, $files), JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
