import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

import { money, size, sku } from './_money.ts';

export default defineFunction({
  summary: 'Types that functions share',
  description: 'Money is one class, whoever uses it.',
  input: z.strictObject({ sku, size, price: money, others: z.array(sku).max(3), discount: money.optional() }),
  output: z.strictObject({ total: money, sizes: z.array(size).max(3) }),
  errors: {
    'sold-out': z.strictObject({ sku, price: money }),
    'too-many': { status: 409, data: z.int() },
    gone: { status: 410, data: z.array(money).max(9) },
  },
  handler: 'same.php',
});
