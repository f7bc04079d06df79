/** The worked example of docs/bootstrap.md: one handler, one application, both engines. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import config from '../../deploy/gateway.config.ts';
import { post } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';

const project = join(import.meta.dirname, '..', '..');
const basket = {
  items: [
    { sku: 'TEA-1', quantity: 2 },
    { sku: 'CUP-1', quantity: 1 },
  ],
};

describe.each(['fpm', 'resident'] as const)('the shop on engine %s', (engine) => {
  const start = async () => await startGateway({ ...config, functions: { 'shop-quote': { engine } } }, { project });

  test('quotes a basket, as often as it is asked', async () => {
    const gateway = await start();
    for (let times = 0; times < 3; times += 1) {
      const response = await post(gateway, 'shop-quote', basket);
      expect(await response.json()).toEqual({
        lines: [
          { title: '2 × Green tea', cents: 1380 },
          { title: '1 × Cup', cents: 1250 },
        ],
        totalCents: 3156,
        currency: 'EUR',
      });
    }
  });

  test('names the product there is none of, and the next call finds nothing of it', async () => {
    const gateway = await start();
    const unknown = await post(gateway, 'shop-quote', { items: [{ sku: 'POT-9', quantity: 1 }] });
    expect(unknown.status).toBe(422);
    expect(await unknown.json()).toMatchObject({ code: 'unknown-sku', data: { sku: 'POT-9' } });
    expect((await post(gateway, 'shop-quote', basket)).status).toBe(200);
  });

  test('leaves nothing behind', async () => {
    const gateway = await start();
    for (let times = 0; times < 30; times += 1) await post(gateway, 'shop-quote', basket);
    const shop = gateway
      .pools()
      .flatMap(({ functions }) => functions)
      .find(({ name }) => name === 'shop-quote');
    expect(shop).toMatchObject({ leaks: [] });
  });
});
