import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const sku = z.string().min(1).max(40);
const cents = z.int().min(0);
const item = z.strictObject({ sku, quantity: z.int().min(1).max(1000) });

export default defineFunction({
  summary: 'What a basket costs',
  description: 'An application with a container, configuration files and a database: see docs/bootstrap.md.',
  input: z
    .strictObject({ items: z.array(item).min(1).max(100) })
    .meta({ examples: [{ items: [{ sku: 'TEA-1', quantity: 2 }] }] }),
  output: z.strictObject({
    lines: z.array(z.strictObject({ title: z.string().max(200), cents })).max(100),
    totalCents: cents,
    currency: z.string().length(3),
  }),
  errors: { 'unknown-sku': z.strictObject({ sku }) },
  pool: 'shop',
  idempotent: true,
});
