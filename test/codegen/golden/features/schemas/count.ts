import { defineFunction, stream } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({ input: z.any(), output: stream(z.int()), handler: 'same.php' });
