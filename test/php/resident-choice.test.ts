/** Which engine a function runs under: its contract says, the config and the environment may say otherwise; its PHP file stays as it is. */
import { chmodSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import { formatProblem, StartupError } from '../../gateway/startup.ts';
import { callUrl } from '../support/call.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { rawFpm, runtime } from '../support/raw-fpm.ts';

const SAPI = 'return PHP_SAPI;';
const RESIDENT = "engine: 'resident'";
const project = (): string => functionsProject({ plain: SAPI, 'stays-there': [SAPI, RESIDENT] });

const problems = async (folder: string, config: GatewayConfig): Promise<string> => {
  const failure: unknown = await startGateway(config, { project: folder }).catch((error: unknown) => error);
  if (!(failure instanceof StartupError)) throw new Error('It started.');
  return failure.problems.map(formatProblem).join('\n');
};

describe('the engine of a function', () => {
  test('is php-fpm unless its contract says resident; one pool has workers of both', async () => {
    const gateway = await startGateway(
      { pools: { default: { workers: 1, resident: { workers: 2 } } } },
      { project: project() },
    );
    expect([await gateway.invoke('plain', null), await gateway.invoke('stays-there', null)]).toEqual([
      'fpm-fcgi',
      'cli',
    ]);
    expect(
      gateway
        .pools()
        .map(({ name, engine, workers, functions }) => [name, engine, workers, functions.map((fn) => fn.name)]),
    ).toEqual([
      ['default', 'fpm', 1, ['plain']],
      ['default', 'resident', 2, ['stays-there']],
    ]);
  });

  test('is what the config says, whatever the contract says', async () => {
    const functions = { plain: { engine: 'resident' }, 'stays-there': { engine: 'fpm' } } as const;
    const gateway = await startGateway({ functions }, { project: project() });
    expect([await gateway.invoke('plain', null), await gateway.invoke('stays-there', null)]).toEqual([
      'cli',
      'fpm-fcgi',
    ]);
  });

  test('is what the environment says, whatever the config says', async () => {
    const functions = { 'stays-there': { engine: 'resident' } } as const;
    const env = { FPMG_FUNCTIONS__PLAIN__ENGINE: 'resident', FPMG_FUNCTIONS__STAYS_THERE__ENGINE: 'fpm' };
    const gateway = await startGateway({ functions }, { project: project(), env });
    expect([await gateway.invoke('plain', null), await gateway.invoke('stays-there', null)]).toEqual([
      'cli',
      'fpm-fcgi',
    ]);
  });

  test('starts no process of the other one', async () => {
    for (const engine of ['fpm', 'resident'] as const) {
      const functions = { plain: { engine }, 'stays-there': { engine } };
      const gateway = await startGateway({ functions }, { project: project() });
      expect(gateway.pools().map((pool) => pool.engine)).toEqual([engine]);
      await gateway.close();
    }
  });

  test('is told, with its workers, at GET /admin/pools', async () => {
    const env = { FPMG_POOLS__DEFAULT__RESIDENT__WORKERS: '1' };
    const server = await startTestServer(project(), { env });
    for (let n = 0; n < 3; n += 1) await (await callUrl(server.url, 'stays-there', null)).text();
    const { pools } = (await (await fetch(`${server.adminUrl}/admin/pools`)).json()) as { pools: object[] };
    expect(pools).toMatchObject([
      { name: 'default', engine: 'fpm' },
      {
        name: 'default',
        engine: 'resident',
        functions: [{ name: 'stays-there', calls: 3 }],
        resident: {
          workers: [
            {
              pid: expect.any(Number),
              state: 'idle',
              served: 3,
              memoryBytes: expect.any(Number),
              ageMs: expect.any(Number),
            },
          ],
          restarts: {
            calls: 0,
            memory: 0,
            age: 0,
            leak: 0,
            exit: 0,
            'fatal-error': 0,
            'out-of-memory': 0,
            stopped: 0,
            crashed: 0,
          },
          starting: 0,
        },
      },
    ]);
  });

  test('that there is not is refused with the two there are', async () => {
    const functions = { plain: { engine: 'swoole' as 'fpm' } };
    expect(await problems(project(), { functions })).toMatch(/functions\.plain\.engine\n.*fpm.*resident/);
    const folder = functionsProject({ plain: [SAPI, "engine: 'swoole'"] });
    expect(await problems(folder, {})).toMatch(/schemas\/plain\.ts.*engine\n.*must be 'fpm' or 'resident'/);
  });
});

describe('the resident engine is refused', () => {
  const scripts = (more: string): string =>
    functionsProject({
      'functions/page.php': '<?php echo 1;',
      'schemas/page.ts': `
        import { z } from 'zod';
        import { defineFunction } from 'fpm-gateway/contract';
        export default defineFunction({ script: 'page.php', input: z.any(), output: z.any(), ${more} });`,
    });

  test('to scripts, by contract or by setting', async () => {
    const said = /A script needs a process of its own for each call: say 'fpm', or write a handler\./;
    const byContract = await problems(scripts(RESIDENT), {});
    expect(byContract).toMatch(/^schemas\/page\.ts.*engine\n/);
    expect(byContract).toMatch(said);
    const bySetting = await problems(scripts(''), { functions: { page: { engine: 'resident' } } });
    expect(bySetting).toMatch(/functions\.page\.engine\n/);
    expect(bySetting).toMatch(said);
  });

  test('in pools that somebody else runs', async () => {
    const folder = openFolder();
    const own = functionsProject({ plain: [SAPI, RESIDENT] });
    chmodSync(own, 0o755);
    await rawFpm(folder, [`${folder}/a.sock`], 1);
    const pools = { default: { address: `unix:${folder}/a.sock`, workers: 1, root: own, runtime } };
    expect(await problems(own, { pools })).toMatch(
      /^schemas\/plain\.ts.*engine\n.*default is run by somebody else, with php-fpm alone: name a pool of the gateway's own, or say engine: 'fpm'/,
    );
  });

  test('where PHP’s command line program is not there', async () => {
    expect(await problems(project(), { php: '/nowhere/php' })).toMatch(
      /^php\n.*\/nowhere\/php is not an executable file/,
    );
  });
});

test('any name will do: one that the runtime has a use for, and a number', async () => {
  const names = ['prime', 'check', '123', 'a.b'];
  const own = functionsProject(Object.fromEntries(names.map((name) => [name, ['return $call->function;', RESIDENT]])));
  const gateway = await startGateway({ pools: { default: { resident: { workers: 1 } } } }, { project: own });
  for (const name of names) expect(await gateway.invoke(name, null)).toBe(name);
});
