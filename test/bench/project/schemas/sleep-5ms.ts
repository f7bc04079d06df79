import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const microseconds = z.int().min(0).max(1_000_000);

export default defineFunction({
  input: z.strictObject({ us: microseconds }),
  output: z.strictObject({ sleptUs: microseconds }),
  idempotent: true,
});
