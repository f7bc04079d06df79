import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  input: z.strictObject({ calls: z.int().min(1).max(1000), us: z.int().min(0).max(1_000_000) }),
  output: z.strictObject({ elapsedMs: z.number(), failed: z.int() }),
});
