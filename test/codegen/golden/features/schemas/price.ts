import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

import { money } from './_money.ts';

export default defineFunction({ input: money, output: z.array(money).max(9), handler: 'same.php' });
