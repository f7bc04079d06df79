import { binary, defineFunction, file } from 'fpm-gateway/contract';
import { z } from 'zod';

const picture = file({ maxBytes: 1000, mediaTypes: ['image/*'] });

export default defineFunction({
  input: z.strictObject({
    title: z.string().max(9),
    main: picture,
    more: z.array(picture).max(3),
    extra: picture.optional(),
    kind: z.enum(['draft', 'final']).default('draft'),
    sizes: z
      .array(z.enum(['s', 'l']))
      .max(2)
      .optional(),
    labels: z.record(z.string().max(9), z.int()).optional(),
  }),
  output: binary('image/*'),
  handler: 'same.php',
});
