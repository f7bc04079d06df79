/**
 * Which date texts a PHP `DateTimeImmutable` gives back to the letter. Pure.
 *
 * zod's `iso.datetime()` takes any number of decimals: `T00:00:00Z` and `T00:00:00.000Z` are the same moment, and what
 * was written is lost. With a fixed precision of up to six decimals in UTC it is not.
 */
import { z } from 'zod';
import type { DateFormat } from './node.ts';

/** By precision as zod counts it; -1: minutes. */
const TIMES: readonly (readonly [precision: number, php: string])[] = [
  [-1, 'H:i\\Z'],
  [0, 'H:i:s\\Z'],
  [3, 'H:i:s.v\\Z'],
  [6, 'H:i:s.u\\Z'],
];

const patternOf = (schema: z.ZodType): string => String(z.toJSONSchema(schema).pattern);

/** Recognised by the pattern zod writes for them: the format alone does not tell. */
const FORMATS: ReadonlyMap<string, DateFormat> = new Map([
  [patternOf(z.iso.date()), { php: 'Y-m-d' }],
  ...TIMES.map(([precision, time]) => [patternOf(z.iso.datetime({ precision })), { php: `Y-m-d\\T${time}` }] as const),
]);

export const dateFormat = (pattern: unknown): DateFormat | undefined =>
  typeof pattern === 'string' ? FORMATS.get(pattern) : undefined;
