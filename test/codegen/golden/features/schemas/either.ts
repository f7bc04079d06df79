import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const a = z.strictObject({ kind: z.literal('a'), n: z.int() });
const b = z.strictObject({ kind: z.literal('b'), s: z.string().max(9) });

export default defineFunction({
  input: z.discriminatedUnion('kind', [a, b]),
  output: z.discriminatedUnion('kind', [a, b]).nullable(),
  handler: 'same.php',
});
