<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of upload. */
final class UploadInput implements \JsonSerializable
{
    /**
     * @param list<\FpmGateway\UploadedFile|\FpmGateway\Client\File> $more
     * @param list<UploadInputSizesItem>|null $sizes
     * @param array<string, int>|null $labels
     */
    public function __construct(
        public readonly string $title,
        public readonly \FpmGateway\UploadedFile|\FpmGateway\Client\File $main,
        public readonly array $more,
        public readonly \FpmGateway\UploadedFile|\FpmGateway\Client\File|null $extra = null,
        public readonly UploadInputKind $kind = UploadInputKind::Draft,
        public readonly ?array $sizes = null,
        public readonly ?array $labels = null,
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
            kind: isset($data['kind']) ? UploadInputKind::from($data['kind']) : UploadInputKind::Draft,
            sizes: isset($data['sizes']) ? array_map(UploadInputSizesItem::from(...), $data['sizes']) : null,
            labels: $data['labels'] ?? null,
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
        $data['kind'] = $this->kind;
        if ($this->sizes !== null) {
            $data['sizes'] = $this->sizes;
        }
        if ($this->labels !== null) {
            $data['labels'] = array_is_list($this->labels) ? (object) $this->labels : $this->labels;
        }

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars, and files */
    public function toArray(): array
    {
        $data = (array) $this->jsonSerialize();
        $files = array_intersect_key($data, ['main' => true, 'more' => true, 'extra' => true]);

        return $files + (array) json_decode((string) json_encode(array_diff_key($data, $files), JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
