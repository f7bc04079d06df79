import { defineFunction, stream } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  input: z.strictObject({}),
  output: stream(z.strictObject({ at: z.iso.datetime({ precision: 3 }), line: z.string().max(9) })),
  errors: { 'no-such-log': z.strictObject({ name: z.string().max(9) }) },
  handler: 'same.php',
});
