/** The runtime in the pools we run is loaded before the first call, where PHP can; nothing else depends on it. */
import { expect, test } from 'vitest';
import type { Log } from '../../gateway/log.ts';
import { startGateway } from '../support/gateway.ts';
import { functionsProject } from '../support/project.ts';

const isRoot = process.getuid?.() === 0;

const project = (): string =>
  functionsProject({
    preloaded: "return opcache_get_status()['preload_statistics']['classes'] ?? [];",
    works: ["throw new Failure('known', $input);", 'errors: { known: z.object({ n: z.number() }) }'],
  });

test('workers have its classes from their start', async () => {
  const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project: project() });
  const classes = ['Binary', 'Call', 'Failure', 'Runtime', 'Client\\Client', 'Client\\CallTransfer'].map(
    (name) => `FpmGateway\\${name}`,
  );
  expect(await gateway.invoke('preloaded', null)).toEqual(expect.arrayContaining(classes));
  await expect(gateway.invoke('works', { n: 1 })).rejects.toMatchObject({ code: 'known', data: { n: 1 } });
});

test.each<[string, Record<string, string | boolean>]>([
  ['opcache is off', { 'opcache.enable': false }],
  ['it is switched off', { 'opcache.preload': '' }],
])('calls are the same where %s', async (_, ini) => {
  const gateway = await startGateway({ pools: { default: { workers: 1, ini } } }, { project: project() });
  await expect(gateway.invoke('works', { n: 1 })).rejects.toMatchObject({ code: 'known', data: { n: 1 } });
});

test.runIf(isRoot)('where PHP cannot preload, operators are told why and the pool works', async () => {
  const told: unknown[] = [];
  const log: Log = { debug: () => {}, info: () => {}, warn: (...line) => told.push(...line), error: () => {} };
  const ini = { 'opcache.preload_user': 'no-such-user' };
  const gateway = await startGateway({ pools: { default: { workers: 1, ini } } }, { project: project(), log });
  await expect(gateway.invoke('works', { n: 1 })).rejects.toMatchObject({ code: 'known', data: { n: 1 } });
  const at = told.indexOf('php-fpm cannot preload the runtime: calls take longer without');
  expect(told[at - 1]).toMatchObject({ pool: 'default', err: { message: expect.stringContaining('no-such-user') } });
});

test.runIf(isRoot)('a preload file of the pool’s own that fails is a reason not to start', async () => {
  const ini = { 'opcache.preload': '/no/such/preload.php' };
  await expect(startGateway({ pools: { default: { ini } } }, { project: project() })).rejects.toThrow(
    /no\/such\/preload\.php/,
  );
});
