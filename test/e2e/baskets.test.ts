/** The worked example of docs/fibers.md: a function that only waits for others, many of it in one worker. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import config from '../../deploy/gateway.config.ts';
import { post } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';

const project = join(import.meta.dirname, '..', '..');
const basket = (sku: string) => ({ items: [{ sku, quantity: 1 }] });

test('each basket has its quote or its problem, in its place', async () => {
  const gateway = await startGateway(config, { project });
  const response = await post(gateway, 'quote-baskets', {
    baskets: [basket('CUP-1'), basket('POT-9'), basket('TEA-1')],
  });
  expect(await response.json()).toEqual({
    quotes: [
      { totalCents: expect.any(Number), problem: null },
      { totalCents: null, problem: 'unknown-sku' },
      { totalCents: expect.any(Number), problem: null },
    ],
  });
});

test('fifty callers with ten baskets each are answered by one worker, while two others make the quotes', async () => {
  const pools = { ...config.pools, default: { resident: { concurrentWorkers: 1 } } };
  const gateway = await startGateway({ ...config, pools }, { project });
  const input = { baskets: Array.from({ length: 10 }, () => basket('TEA-1')) };
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(gateway, 'quote-baskets', input)));
  expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
});
