import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const name = z.string().min(1).max(200);

export default defineFunction({
  summary: 'Say hello',
  input: z.strictObject({ name }).meta({ examples: [{ name: 'Ada' }] }),
  output: z.strictObject({ hello: name }),
  idempotent: true,
});
