import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  input: z.strictObject({ us: z.int().min(0).max(1_000_000) }),
  output: z.strictObject({ finishedS: z.number() }),
  idempotent: true,
});
