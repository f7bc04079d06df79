<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Input of legacy-form. */
final class LegacyFormInput implements \JsonSerializable
{
    /**
     * @param int<1, 9> $copies
     */
    public function __construct(
        public readonly ?string $name = null,
        public readonly ?string $email = null,
        public readonly LegacyFormInputTopic $topic = LegacyFormInputTopic::Question,
        public readonly int $copies = 1,
        public readonly ?string $message = null,
        public readonly bool $newsletter = false,
        public readonly ?bool $sent = null,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            name: $data['name'] ?? null,
            email: $data['email'] ?? null,
            topic: isset($data['topic']) ? LegacyFormInputTopic::from($data['topic']) : LegacyFormInputTopic::Question,
            copies: $data['copies'] ?? 1,
            message: $data['message'] ?? null,
            newsletter: $data['newsletter'] ?? false,
            sent: $data['sent'] ?? null,
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        $data = [];
        if ($this->name !== null) {
            $data['name'] = $this->name;
        }
        if ($this->email !== null) {
            $data['email'] = $this->email;
        }
        $data['topic'] = $this->topic;
        $data['copies'] = $this->copies;
        if ($this->message !== null) {
            $data['message'] = $this->message;
        }
        $data['newsletter'] = $this->newsletter;
        if ($this->sent !== null) {
            $data['sent'] = $this->sent;
        }

        return $data;
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
