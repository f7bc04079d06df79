import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const all = z.strictObject({
  'vat-id': z.int(),
  vatId: z.int(),
  'vat id': z.int(),
  first_name: z.int(),
  class: z.int(),
  this: z.int(),
  data: z.int(),
  0: z.int(),
  '': z.int(),
  '>=': z.int(),
  straße: z.int(),
  "it's": z.int(),
  _SERVER: z.int(),
  GLOBALS: z.int(),
  'm²': z.strictObject({ a: z.int() }),
  Ⅷ: z.strictObject({ a: z.enum(['m²', 'm', '²']) }),
  _: z.int().optional(),
  'two\nlines': z.strictObject({ a: z.int() }),
});

export default defineFunction({ input: all, output: all, handler: 'same.php' });
