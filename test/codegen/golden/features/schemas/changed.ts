import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

/** Handlers get other types than callers give, and give others than callers get. */
export default defineFunction({
  input: z.strictObject({
    flag: z.stringbool(),
    page: z.coerce.number().int().min(1).default(1),
    trimmed: z.string().max(9).trim(),
    key: z
      .string()
      .max(40)
      .default(() => crypto.randomUUID()),
  }),
  output: z.strictObject({
    length: z
      .string()
      .max(9)
      .transform((text) => text.length),
    on: z.stringbool(),
  }),
  handler: 'same.php',
});
