import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const all = z.strictObject({
  day: z.iso.date(),
  minute: z.iso.datetime({ precision: -1 }),
  second: z.iso.datetime({ precision: 0 }),
  milli: z.iso.datetime({ precision: 3 }).describe('As JavaScript writes it'),
  micro: z.iso.datetime({ precision: 6 }),
  any: z.iso.datetime().describe('Any number of decimals: a text'),
  local: z.iso.datetime({ offset: true, local: true }),
  time: z.iso.time(),
  maybe: z.iso.date().nullable(),
  left: z.iso.date().optional(),
  either: z.iso.date().nullish(),
  days: z.array(z.iso.date()).max(3),
  byName: z.record(z.string().max(9), z.iso.datetime({ precision: 3 })),
  dayOrNumber: z.union([z.iso.date(), z.int()]),
  dayOrText: z.union([z.iso.date(), z.string().max(9)]),
  span: z.tuple([z.iso.date(), z.iso.date().nullable()]),
});

export default defineFunction({ input: all, output: all, handler: 'same.php' });
