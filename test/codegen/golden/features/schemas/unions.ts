import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const circle = z.strictObject({ shape: z.literal('circle'), radius: z.number() });
const square = z.strictObject({
  shape: z.literal(['square', 'tile']),
  side: z.number(),
  label: z.string().max(9).optional(),
});
const shape = z.discriminatedUnion('shape', [circle, square]);

const all = z.strictObject({
  shape,
  maybeShape: shape.nullable(),
  optionalShape: shape.optional(),
  shapes: z.array(shape).max(3),
  shapeByName: z.record(z.string().max(9), shape),
  outcome: z.discriminatedUnion('ok', [
    z.strictObject({ ok: z.literal(true), value: z.int() }),
    z.strictObject({ ok: z.literal(false), reason: z.string().max(9) }),
  ]),
  version: z.discriminatedUnion('v', [
    z.strictObject({ v: z.literal(1), a: z.int() }),
    z.strictObject({ v: z.literal(2), b: z.int() }),
  ]),
  scalar: z.union([z.string().max(9), z.int(), z.boolean()]),
  nullableScalar: z.union([z.string().max(9), z.number(), z.null()]),
  textOrTexts: z.union([z.string().max(9), z.array(z.string().max(9)).max(3)]),
  itemOrItems: z.union([circle, z.array(circle).max(3)]),
  untold: z.union([
    z.strictObject({ a: z.int() }),
    z.strictObject({ a: z.string().max(9) }),
    z.strictObject({ a: z.string().max(9), b: z.int().optional(), c: z.array(circle).max(2) }),
    z.string().max(9),
  ]),
  either: z.xor([z.strictObject({ left: z.int() }), z.strictObject({ right: z.int() })]),
  choiceOrNumber: z.union([z.enum(['auto', 'none']), z.int()]),
  // Empty maps and keys of digits: see ambiguous.ts.
  listOrMap: z.union([z.array(z.int()).min(1).max(3), z.record(z.string().regex(/^[a-z]{1,9}$/), z.int())]),
  daysOrInts: z.union([z.array(z.iso.date()).max(3), z.array(z.int()).max(3)]),
  daysOrIntsByName: z.union([z.record(z.string().max(9), z.iso.date()), z.record(z.string().max(9), z.int())]),
  dayAndIntOrDays: z.union([z.tuple([z.iso.date(), z.int()]), z.array(z.iso.date()).max(3)]),
  daysOrMoments: z.union([z.array(z.iso.date()).max(3), z.array(z.iso.datetime({ precision: 0 })).max(3)]),
  daysOrTextsOrItems: z.union([
    z.array(z.iso.date()).max(3),
    z.array(z.array(z.string().max(9)).max(3)).max(3),
    z.array(circle).max(3),
  ]),
  intsOrTexts: z.union([z.array(z.int()).max(2), z.array(circle).max(2), z.array(z.string().max(9)).max(2)]),
});

export default defineFunction({ input: all, output: all, handler: 'same.php' });
