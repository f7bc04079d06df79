import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const name = z.string().min(1).max(200);

export default defineFunction({
  input: z.strictObject({ name }),
  output: z.strictObject({ hello: name }),
  idempotent: true,
});
