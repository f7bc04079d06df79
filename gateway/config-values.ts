/** Kinds of values that settings are made of. */
import { z } from 'zod';

export const ms = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);
export const bytes = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);
export const absolutePath = z.string().startsWith('/', { error: 'must be an absolute path' });
export const MAX_MS = 24 * 3_600_000;
export const MAX_BYTES = 2 ** 31;
