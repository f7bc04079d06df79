import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const point = z.strictObject({ x: z.int().default(0), y: z.int().default(0) });

const all = z.strictObject({
  last: z.string().max(9),
  optional: z.string().max(9).optional(),
  nullable: z.string().max(9).nullable(),
  nullish: z.string().max(9).nullish(),
  nullishPoint: point.nullish(),
  optionalPoint: point.optional(),
  text: z.string().max(9).default("it's \\ $5"),
  maybe: z.int().nullable().default(3),
  none: z.int().nullable().default(null),
  choice: z.enum(['left', 'right']).default('left'),
  list: z.array(z.string().max(9)).max(3).default(['a', 'b']),
  choices: z
    .array(z.enum(['u', 'd']))
    .max(3)
    .default(['u']),
  map: z.record(z.string().max(9), z.int()).default({}),
  day: z.iso.date().default('2026-01-31'),
  point: point.default({ x: 1, y: 2 }),
  pre: z.int().prefault(7),
});

export default defineFunction({ input: all, output: all, handler: 'same.php' });
