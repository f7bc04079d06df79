import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';
import shopQuote from './shop-quote.ts';

const cents = z.int().min(0);
const problem = z.string().max(100);

export default defineFunction({
  summary: 'What each of several baskets costs',
  description: 'It only waits for other calls, so that one worker holds hundreds of them: see docs/fibers.md.',
  input: z
    .strictObject({ baskets: z.array(shopQuote.input).min(1).max(50) })
    .meta({ examples: [{ baskets: [{ items: [{ sku: 'TEA-1', quantity: 2 }] }] }] }),
  output: z.strictObject({
    quotes: z.array(z.strictObject({ totalCents: cents.nullable(), problem: problem.nullable() })).max(50),
  }),
  engine: 'resident',
  concurrency: 500,
  idempotent: true,
});
