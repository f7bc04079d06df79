<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of export-csv. */
final class ExportCsvInput implements \JsonSerializable
{
    public function __construct(
        public readonly \DateTimeImmutable $from,
        public readonly \DateTimeImmutable $to,
        public readonly ExportCsvInputSeparator $separator = ExportCsvInputSeparator::Comma,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            from: new \DateTimeImmutable($data['from'], new \DateTimeZone('UTC')),
            to: new \DateTimeImmutable($data['to'], new \DateTimeZone('UTC')),
            separator: isset($data['separator']) ? ExportCsvInputSeparator::from($data['separator']) : ExportCsvInputSeparator::Comma,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'from' => $this->from->format('Y-m-d'),
            'to' => $this->to->format('Y-m-d'),
            'separator' => $this->separator,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
