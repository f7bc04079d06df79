import { binary, defineFunction, stream } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  summary: 'The days of a period as CSV',
  description:
    'One row for each day: date, weekday, ISO week, day of the year. Written while it is read: a thousand years need no more memory than a week.',
  methods: ['GET', 'POST'],
  input: z
    .strictObject({
      from: z.iso.date(),
      to: z.iso.date(),
      separator: z.enum([',', ';']).default(','),
    })
    .refine((period) => period.to >= period.from, { error: 'The end is before the beginning', path: ['to'] })
    .meta({ examples: [{ from: '2026-12-28', to: '2027-01-03' }] }),
  output: stream(binary('text/csv')),
  pool: 'streams',
  timeoutMs: 60_000,
  idempotent: true,
});
