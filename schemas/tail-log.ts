import { defineFunction, stream } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  summary: 'Follow a log file',
  description: [
    'The last lines there are, then each new one as it is written, until the time limit or until the reader leaves.',
    'The folder is LOG_DIR in the environment of its pool. A log that is rotated is followed into the new file.',
  ].join('\n'),
  methods: ['GET', 'POST'],
  input: z
    .strictObject({
      name: z
        .string()
        .max(100)
        .regex(/^[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*\.(log|txt)$/i, { error: 'is no name of a .log or .txt file' }),
      lines: z.int().min(0).max(1000).default(10).describe('How many of the last lines come first'),
      follow: z.boolean().default(true).describe('False: end behind the lines there are'),
    })
    .meta({ examples: [{ name: 'demo.txt' }] }),
  output: stream(
    z.strictObject({
      line: z.string().max(4_000).describe('Without its end; longer ones are cut, broken UTF-8 becomes ?'),
      at: z.iso.datetime().describe('When it was read'),
    }),
  ),
  errors: { 'no-such-log': z.strictObject({ name: z.string().max(100) }) },
  pool: 'streams',
  timeoutMs: 600_000,
  idempotent: true,
});
