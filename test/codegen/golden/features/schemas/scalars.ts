import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const all = z.strictObject({
  text: z.string().max(100),
  name: z.string().min(1).max(100).describe('Not empty'),
  mail: z.email().max(100).optional(),
  count: z.int(),
  percent: z.int().min(0).max(100),
  positive: z.int().positive().describe('Above 0; ends no comment: */'),
  small: z.int32().meta({ deprecated: true }),
  amount: z.number(),
  share: z.number().gt(0).lt(1),
  flag: z.boolean(),
  nothing: z.null(),
  anything: z.unknown(),
  kind: z.literal('scalar'),
  version: z.literal(2),
  mixture: z.literal(['auto', 0, true, null]),
});

export default defineFunction({
  summary: 'Values of one kind',
  input: all,
  output: all,
  handler: 'same.php',
  idempotent: true,
});
