import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  summary: 'Input and output are no objects',
  input: z.array(z.iso.date()).max(9),
  output: z.record(z.string().max(9), z.int()),
  handler: 'same.php',
});
