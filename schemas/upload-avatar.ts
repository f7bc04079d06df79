import { defineFunction, file } from 'fpm-gateway/contract';
import { z } from 'zod';

const MEDIA_TYPES = ['image/png', 'image/jpeg', 'image/webp'];
const side = z.int().min(1);

export default defineFunction({
  summary: 'Check a profile picture',
  description: 'Tells what the picture is; keeps nothing. A picture that cannot be decoded to its end is refused.',
  input: z.strictObject({
    nickname: z.string().min(1).max(40),
    avatar: file({ maxBytes: 5 * 1_048_576, mediaTypes: MEDIA_TYPES }),
  }),
  output: z.strictObject({
    nickname: z.string().max(40),
    width: side,
    height: side,
    type: z.enum(MEDIA_TYPES),
    bytes: z.int().min(1),
    sha256: z.hash('sha256'),
    fileName: z.string().max(200),
  }),
  errors: {
    'broken-picture': z.strictObject({ reason: z.string().max(200) }),
    'picture-too-small': z.strictObject({ width: side, height: side, minSide: side }),
    'picture-too-large': z.strictObject({ width: side, height: side, maxPixels: side }),
  },
  pool: 'background',
  timeoutMs: 10_000,
  idempotent: true,
});
