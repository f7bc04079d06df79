import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

/** Names that mean something to PHP or TypeScript. */
const list = z.strictObject({ class: z.int() }).meta({ id: 'List' });
const blob = z.enum(['a', 'b']).meta({ id: 'Blob' });
const signs = z.strictObject({ n: z.int() }).meta({ id: '>>' });
const lower = z.strictObject({ a: z.int() }).meta({ id: 'shop/line item' });

export default defineFunction({
  input: z.strictObject({ list, blob, signs, lower, function: z.strictObject({ self: z.int() }) }),
  output: z.array(list).max(3),
  handler: 'same.php',
});
