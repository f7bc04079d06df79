import { binary, defineFunction, stream } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  input: z.strictObject({}),
  output: stream(binary('application/octet-stream')),
  idempotent: true,
});
