<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Output of word-count. */
final class WordCountOutput implements \JsonSerializable
{
    /**
     * @param int<0, max> $characters
     * @param int<0, max> $words
     * @param int<0, max> $uniqueWords Ignoring case
     * @param int<0, max> $sentences
     * @param int<0, max> $lines
     * @param int|float $averageWordLength In characters
     * @param int<0, max> $readingSeconds At 200 words a minute
     * @param list<WordCountOutputTopItem> $top Most frequent first, then in order of appearance; long words are cut to 100 code points
     */
    public function __construct(
        public readonly int $characters,
        public readonly int $words,
        public readonly int $uniqueWords,
        public readonly int $sentences,
        public readonly int $lines,
        public readonly int|float $averageWordLength,
        public readonly int $readingSeconds,
        public readonly array $top,
    ) {
    }

    /** @param array<string, mixed> $data decoded JSON that matches the contract */
    public static function fromArray(array $data): self
    {
        return new self(
            characters: $data['characters'],
            words: $data['words'],
            uniqueWords: $data['uniqueWords'],
            sentences: $data['sentences'],
            lines: $data['lines'],
            averageWordLength: $data['averageWordLength'],
            readingSeconds: $data['readingSeconds'],
            top: array_map(WordCountOutputTopItem::fromArray(...), $data['top']),
        );
    }

    /** @return array<string, mixed> what `json_encode` writes */
    public function jsonSerialize(): array
    {
        return [
            'characters' => $this->characters,
            'words' => $this->words,
            'uniqueWords' => $this->uniqueWords,
            'sentences' => $this->sentences,
            'lines' => $this->lines,
            'averageWordLength' => $this->averageWordLength,
            'readingSeconds' => $this->readingSeconds,
            'top' => $this->top,
        ];
    }

    /** @return array<string, mixed> what `fromArray` takes: nothing but arrays and scalars */
    public function toArray(): array
    {
        return (array) json_decode((string) json_encode($this, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }
}
