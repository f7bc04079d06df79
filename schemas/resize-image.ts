import { binary, defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const side = z.int().min(1).max(4000);
const pixels = z.int().min(0);

export default defineFunction({
  summary: 'Resize and convert an image',
  description: [
    'Reads JPEG, PNG, GIF and WebP; of an animation, the first frame (animated WebP is refused).',
    '`inside` keeps the whole image within the limits and never enlarges it.',
    '`cover` fills width × height, enlarging and cutting the edges as needed; with one side it is `inside`.',
  ].join('\n'),
  input: z
    .strictObject({
      image: z.base64().max(8_000_000).describe('The file in base64: up to 6 MB of image'),
      width: side.optional(),
      height: side.optional(),
      fit: z.enum(['inside', 'cover']).default('inside'),
      format: z.enum(['jpeg', 'png', 'webp']).default('webp'),
      quality: z.int().min(1).max(100).default(80).describe('For JPEG and WebP; PNG loses nothing'),
    })
    .refine((input) => input.width !== undefined || input.height !== undefined, {
      error: 'Give width, height or both',
      path: ['width'],
    }),
  output: binary('image/*'),
  errors: {
    'not-an-image': z.strictObject({ reason: z.string().max(200) }),
    'image-too-large': z.strictObject({ width: pixels, height: pixels, maxPixels: pixels }),
  },
  pool: 'background',
  idempotent: true,
});
