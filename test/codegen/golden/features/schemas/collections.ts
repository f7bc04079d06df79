import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const item = z.strictObject({ name: z.string().max(9), tags: z.array(z.string().max(9)).max(2) });

const all = z.strictObject({
  texts: z.array(z.string().max(9)).max(3),
  some: z.array(z.int().min(1).max(10)).min(1).max(3),
  items: z.array(item).max(3),
  grid: z.array(z.array(item).max(2)).max(2),
  maybes: z.array(item.nullable()).max(3),
  numbers: z.record(z.string().max(9), z.int()),
  byName: z.record(z.string().max(9), item),
  nested: z.record(z.string().max(9), z.record(z.string().max(9), z.int())),
  lists: z.record(z.string().max(9), z.array(item).max(2)),
  maps: z.array(z.record(z.string().max(9), z.int())).max(2),
  sides: z.record(z.enum(['left', 'right']), z.int()),
  some_sides: z.partialRecord(z.enum(['left', 'right']), z.int()),
  pair: z.tuple([z.string().max(9), z.int()]),
  rest: z.tuple([z.string().max(9)], z.int()),
  openPair: z.tuple([z.string().max(9), z.int().optional()]),
  itemPair: z.tuple([z.int(), item, z.array(item).max(1)]),
  itemRest: z.tuple([z.int()], item),
  loose: z.looseObject({ a: z.string().max(9) }),
  caught: z.object({ a: z.string().max(9), additional: z.int().optional() }).catchall(z.int()),
  caughtItems: z.object({ a: z.string().max(9) }).catchall(item),
  empty: z.strictObject({}),
  onlyOptional: z.strictObject({ a: z.int().optional() }),
  anyMap: z.record(z.string().max(9), z.unknown()),
});

export default defineFunction({ input: all, output: all, handler: 'same.php' });
