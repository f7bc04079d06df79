import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  input: z.strictObject({ iterations: z.int().min(1).max(10_000_000) }),
  output: z.strictObject({ digest: z.string().length(64) }),
  idempotent: true,
});
