import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const text = z.string().max(2000);

export default defineFunction({
  input: z.strictObject({ text }),
  output: z.strictObject({ text }),
  idempotent: true,
});
