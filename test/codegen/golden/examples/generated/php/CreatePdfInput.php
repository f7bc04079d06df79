<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of create-pdf. */
final class CreatePdfInput implements \JsonSerializable
{
    /**
     * @param non-empty-string $number
     * @param list<CreatePdfInputLinesItem> $lines
     * @param CreatePdfInputCurrency $currency Currencies with two decimals
     * @param string|null $notes Such as how to pay
     */
    public function __construct(
        public readonly string $number,
        public readonly \DateTimeImmutable $issueDate,
        public readonly \DateTimeImmutable $dueDate,
        public readonly CreatePdfInputSeller $seller,
        public readonly CreatePdfInputBuyer $buyer,
        public readonly array $lines,
        public readonly CreatePdfInputCurrency $currency,
        public readonly ?string $notes = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            number: $data['number'],
            issueDate: new \DateTimeImmutable($data['issueDate'], new \DateTimeZone('UTC')),
            dueDate: new \DateTimeImmutable($data['dueDate'], new \DateTimeZone('UTC')),
            seller: CreatePdfInputSeller::fromArray($data['seller']),
            buyer: CreatePdfInputBuyer::fromArray($data['buyer']),
            lines: array_map(CreatePdfInputLinesItem::fromArray(...), $data['lines']),
            currency: CreatePdfInputCurrency::from($data['currency']),
            notes: $data['notes'] ?? null,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [
            'number' => $this->number,
            'issueDate' => $this->issueDate->format('Y-m-d'),
            'dueDate' => $this->dueDate->format('Y-m-d'),
            'seller' => $this->seller,
            'buyer' => $this->buyer,
            'lines' => $this->lines,
            'currency' => $this->currency,
        ];
        if ($this->notes !== null) {
            $data['notes'] = $this->notes;
        }

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
