<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** From schemas/upload. */
final class UploadInput implements \JsonSerializable
{
    /**
     * @param list<\FpmGateway\UploadedFile|\FpmGateway\Client\File> $more
     */
    public function __construct(
        public readonly string $title,
        public readonly \FpmGateway\UploadedFile|\FpmGateway\Client\File $main,
        public readonly array $more,
        public readonly \FpmGateway\UploadedFile|\FpmGateway\Client\File|null $extra = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            title: $data['title'],
            main: $data['main'],
            more: $data['more'],
            extra: $data['extra'] ?? null,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'title' => $this->title,
            'main' => $this->main,
            'more' => $this->more,
        ];
        if ($this->extra !== null) {
            $data['extra'] = $this->extra;
        }

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) $this->jsonSerialize();
    }
}
