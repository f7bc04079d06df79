import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const all = z.strictObject({
  level: z.enum(['debug', 'info', 'warn']),
  sign: z.enum(['<', '<=', '>', '>=', '']),
  type: z.enum(['application/pdf', 'image/png', 'class', '2x', 'a-b', 'a b', 'Ünïcode']),
  code: z.enum({ Ok: 200, Gone: 410, Unknown: -1 }),
  maybe: z.enum(['yes', 'no']).nullable(),
  several: z.array(z.enum(['r', 'w', 'x'])).max(3),
  byName: z.record(z.string().max(9), z.enum(['on', 'off'])),
});

export default defineFunction({ input: all, output: all, handler: 'same.php' });
