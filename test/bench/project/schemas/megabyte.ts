import { binary, defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  input: z.strictObject({}),
  output: binary('application/octet-stream'),
  idempotent: true,
});
