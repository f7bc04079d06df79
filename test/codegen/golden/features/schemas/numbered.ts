import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

/** All names are numbers, which PHP arrays take for a list. */
const all = z.strictObject({ 0: z.int(), 1: z.int().optional() });

export default defineFunction({ input: all, output: all, handler: 'same.php' });
