import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  summary: 'Keep a worker waiting',
  description: 'For trying timeouts, queues and cancellation: more than 5,000 ms ends as a timeout.',
  input: z.strictObject({ ms: z.int().min(0).max(60_000) }),
  output: z.strictObject({ sleptMs: z.int().min(0) }),
  timeoutMs: 5_000,
});
