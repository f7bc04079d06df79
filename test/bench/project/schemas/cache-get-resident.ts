import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  handler: 'cache-get.php',
  engine: 'resident',
  input: z.strictObject({ gets: z.int().min(1).max(1000) }),
  output: z.strictObject({ us: z.array(z.number()).max(1000), address: z.string().max(200) }),
});
