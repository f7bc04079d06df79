<?php

declare(strict_types=1);

use FpmGateway\Call;
use FpmGateway\Failure;

$unspaced = '~[\p{Han}\p{Hiragana}\p{Katakana}]~u';

// "don't", "well-known" and "3.14" are one word. Each repetition is possessive or has a limit: nothing a caller
// sends can make the regex engine try twice.
$word = <<<'REGEX'
    ~ [\p{L}\p{N}] [\p{L}\p{N}\p{M}]*+
      (?: (?: ['‐-] | (?<=\p{N}) [.,] (?=\p{N}) ) [\p{L}\p{N}] [\p{L}\p{N}\p{M}]*+ ){0,20}+ ~xu
    REGEX;

// Marks that also stand inside of numbers and names need a space behind them; a blank line ends a heading.
$sentenceEnd = '~(?<![.!?…؟।])[.!?…؟।]++["\'”’»)\]]*+(?=\s|\z)|[。！？]++|\R\h*+\R~u';

/** @param array{text: string, top: int} $input */
return static function (array $input, Call $call) use ($unspaced, $word, $sentenceEnd): array {
    $text = $input['text'];
    $characters = mb_strlen($text);

    // One kind of apostrophe, or "don't" and "don’t" would be two words.
    $normal = preg_replace($unspaced, ' $0 ', mb_strtolower(strtr($text, ['’' => "'"])));
    preg_match_all($word, $normal, $matches);
    $words = $matches[0];
    if ($words === []) {
        throw new Failure('no-words', ['characters' => $characters]);
    }

    $counts = array_count_values($words);
    arsort($counts);
    $top = [];
    foreach (array_slice($counts, 0, $input['top'], true) as $key => $count) {
        // PHP makes an integer of an array key such as "2026".
        $top[] = ['word' => mb_substr((string) $key, 0, 100), 'count' => $count];
    }

    return [
        'characters' => $characters,
        'words' => count($words),
        'uniqueWords' => count($counts),
        'sentences' => count(preg_grep('~[\p{L}\p{N}]~u', preg_split($sentenceEnd, $text))),
        // A line break at the very end starts no new line.
        'lines' => preg_match_all('~\R(?!\z)~u', $text) + 1,
        'averageWordLength' => round(mb_strlen(implode('', $words)) / count($words), 2),
        'readingSeconds' => (int) ceil(count($words) * 60 / 200),
        'top' => $top,
    ];
};
