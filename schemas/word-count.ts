import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const count = z.int().min(0);

export default defineFunction({
  summary: 'Count characters, words and sentences of a text',
  description: [
    'Characters are Unicode code points: an accent or a skin tone added to another one counts for itself.',
    'Each Han, Hiragana and Katakana character is a word, because no spaces separate words there.',
    'A blank line ends a sentence; so does an abbreviation such as "Mr.".',
  ].join('\n'),
  input: z
    .strictObject({
      text: z.string().max(500_000),
      top: z.int().min(1).max(100).default(10).describe('How many of the most frequent words to list'),
    })
    .meta({ examples: [{ text: 'To be, or not to be.', top: 3 }] }),
  output: z.strictObject({
    characters: count,
    words: count,
    uniqueWords: count.describe('Ignoring case'),
    sentences: count,
    lines: count,
    averageWordLength: z.number().min(0).describe('In characters'),
    readingSeconds: count.describe('At 200 words a minute'),
    top: z
      .array(z.strictObject({ word: z.string().max(200), count }))
      .max(100)
      .describe('Most frequent first, then in order of appearance; long words are cut to 100 code points'),
  }),
  errors: { 'no-words': z.strictObject({ characters: count }) },
  idempotent: true,
});
