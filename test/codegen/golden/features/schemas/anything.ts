import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const all = z.strictObject({
  json: z.json(),
  any: z.any(),
  both: z.intersection(z.record(z.string(), z.int()), z.any()),
});

export default defineFunction({
  summary: 'What has no class: arrays and scalars',
  input: all,
  output: all,
  handler: 'same.php',
});
