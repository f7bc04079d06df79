import { binary, defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const number = z.string().min(1).max(40);

const party = z.strictObject({
  name: z.string().min(1).max(120),
  address: z.array(z.string().min(1).max(120)).max(6).describe('One line each'),
  vatId: z.string().min(1).max(30).optional(),
});

// Bounds keep every sum exact in PHP's 64-bit integers.
const line = z.strictObject({
  description: z.string().min(1).max(500),
  quantity: z.number().min(0).max(10_000).multipleOf(0.001),
  unitPriceCents: z.int().min(-100_000_000).max(100_000_000).describe('Without VAT; negative for a discount'),
  vatPercent: z.number().min(0).max(100).multipleOf(0.01),
});

export default defineFunction({
  summary: 'Render an invoice as PDF',
  description: 'VAT is computed once for each rate, on the sum of its lines, and rounded half up to a cent.',
  input: z
    .strictObject({
      number,
      issueDate: z.iso.date(),
      dueDate: z.iso.date(),
      seller: party,
      buyer: party,
      lines: z.array(line).max(500),
      currency: z
        .enum(['EUR', 'USD', 'GBP', 'CHF', 'AUD', 'CAD', 'CZK', 'DKK', 'NOK', 'PLN', 'SEK'])
        .describe('Currencies with two decimals'),
      notes: z.string().max(2_000).optional().describe('Such as how to pay'),
    })
    .refine((invoice) => invoice.dueDate >= invoice.issueDate, {
      error: 'The due date is before the issue date',
      path: ['dueDate'],
    }),
  output: binary('application/pdf'),
  errors: { 'no-lines': z.strictObject({ number }) },
  pool: 'background',
  timeoutMs: 10_000,
  idempotent: true,
});
