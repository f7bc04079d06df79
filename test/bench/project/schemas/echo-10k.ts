import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const items = z.array(
  z.strictObject({
    id: z.int().min(1),
    sku: z.string().max(40),
    title: z.string().max(200),
    cents: z.int().min(0),
    inStock: z.boolean(),
    tags: z.array(z.string().max(20)).max(10),
  }),
);

export default defineFunction({
  input: z.strictObject({ items }),
  output: z.strictObject({ items }),
  idempotent: true,
});
