import { z } from 'zod';

/** With an id: one type for all functions that use it. */
export const money = z
  .strictObject({ cents: z.int(), currency: z.enum(['EUR', 'USD']).default('EUR') })
  .meta({ id: 'Money', description: 'An amount of money' });

export const sku = z.string().max(20).meta({ id: 'Sku' });

export const size = z.enum(['S', 'M', 'L']).meta({ id: 'Size' });
