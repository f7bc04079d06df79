<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of resize-image. */
final class ResizeImageInput implements \JsonSerializable
{
    /**
     * @param string $image The file in base64: up to 6 MB of image
     * @param int<1, 4000>|null $width
     * @param int<1, 4000>|null $height
     * @param int<1, 100> $quality For JPEG and WebP; PNG loses nothing
     */
    public function __construct(
        public readonly string $image,
        public readonly ?int $width = null,
        public readonly ?int $height = null,
        public readonly ResizeImageInputFit $fit = ResizeImageInputFit::Inside,
        public readonly ResizeImageInputFormat $format = ResizeImageInputFormat::Webp,
        public readonly int $quality = 80,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            image: $data['image'],
            width: $data['width'] ?? null,
            height: $data['height'] ?? null,
            fit: isset($data['fit']) ? ResizeImageInputFit::from($data['fit']) : ResizeImageInputFit::Inside,
            format: isset($data['format']) ? ResizeImageInputFormat::from($data['format']) : ResizeImageInputFormat::Webp,
            quality: $data['quality'] ?? 80,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'image' => $this->image,
        ];
        if ($this->width !== null) {
            $data['width'] = $this->width;
        }
        if ($this->height !== null) {
            $data['height'] = $this->height;
        }
        $data['fit'] = $this->fit;
        $data['format'] = $this->format;
        $data['quality'] = $this->quality;

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
