import { binary, defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  summary: 'A contact form: an ordinary PHP script',
  description: 'Open it in a browser. GET shows the form; POST checks it, thanks by a redirect and remembers the name.',
  script: 'legacy-form.php',
  methods: ['GET', 'POST'],
  // The script tells people what is missing; the contract bounds what reaches it. What it does not know, such as the
  // utm_source of a newsletter, is dropped.
  input: z.object({
    name: z.string().max(80).optional(),
    email: z.string().max(254).optional(),
    topic: z.enum(['question', 'order', 'praise']).default('question'),
    copies: z.int().min(1).max(9).default(1),
    message: z.string().max(5_000).optional(),
    newsletter: z.boolean().default(false),
    sent: z.boolean().optional(),
  }),
  output: binary('text/html'),
  timeoutMs: 5_000,
});
