import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const name = z.string().min(1).max(200);

/** The handler of echo in a worker that stays: nothing in PHP is different. */
export default defineFunction({
  summary: 'Say hello, from a worker that is bootstrapped once',
  handler: 'echo.php',
  engine: 'resident',
  input: z.strictObject({ name }).meta({ examples: [{ name: 'Ada' }] }),
  output: z.strictObject({ hello: name }),
  idempotent: true,
});
