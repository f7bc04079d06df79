/** What must and must not compile; `npm run check` compiles it. */
import { expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import type { GatewayConfig } from '../../gateway/config.ts';
import { binary, defineFunction } from '../../gateway/contract.ts';

const base = { input: z.strictObject({ name: z.string() }), output: z.number() };

test('a contract keeps the types of its schemas', () => {
  const contract = defineFunction({ ...base, errors: { gone: { status: 410, data: z.string() } } });
  expectTypeOf<z.input<typeof contract.input>>().toEqualTypeOf<{ name: string }>();
  expectTypeOf<z.output<typeof contract.output>>().toEqualTypeOf<number>();
  expectTypeOf(contract.errors).extract<object>().toHaveProperty('gone');
});

test('a contract takes binary outputs and refuses what it does not know', () => {
  defineFunction({ ...base, output: binary('image/*') });
  // @ts-expect-error a schema of another library
  defineFunction({ ...base, input: { type: 'object' } });
  // @ts-expect-error units are in the name: timeoutMs
  defineFunction({ ...base, timeout: 5 });
  // @ts-expect-error TRACE would show a caller's credentials to scripts
  defineFunction({ ...base, methods: ['TRACE'] });
});

test('a config has managed and attached pools, and nothing between', () => {
  const config: GatewayConfig = {
    pools: {
      default: { workers: 2, pm: 'ondemand' },
      away: { address: 'tcp://10.0.0.5:9000', workers: 4, root: '/srv' },
    },
  };
  expectTypeOf(config).toExtend<GatewayConfig>();
  // @ts-expect-error an attached pool needs its root
  const noRoot: GatewayConfig = { pools: { away: { address: 'tcp://10.0.0.5:9000', workers: 4 } } };
  // @ts-expect-error workers is a number
  const text: GatewayConfig = { pools: { default: { workers: '4' } } };
  expectTypeOf([noRoot, text]).toBeArray();
});
