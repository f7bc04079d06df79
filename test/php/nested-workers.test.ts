/** Functions that call functions never wait for each other for ever, however few workers there are. Real php-fpm. */
import { chmodSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { eachEngine } from '../support/engines.ts';
import { startTestServer } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { nestedProject } from '../support/nested.ts';
import { rawFpm, runtime } from '../support/raw-fpm.ts';
import { streamHandler } from '../support/streams.ts';

/** No test waits that long: a call that gave up would show what went wrong, and not the time limit of the test. */
const PATIENT = 'timeoutMs: 20_000, queueTimeoutMs: 20_000';

/** Calls itself until its input is 1: that many functions deep. */
const DEEP: [string, string] = ["return $input <= 1 ? 'bottom' : ask($call, 'deep', $input - 1)[1];", PATIENT];

/** Two calls meet inside before either goes on: all workers are taken by callers then. */
const MEET = `
  touch("$input/" . $call->id);
  while (count(glob("$input/*")) < %d) { usleep(1000); }
`;

eachEngine(({ startGateway }) => {
  describe('one worker', () => {
    test.each([2, 3, 8])('serves calls %i functions deep', async (depth) => {
      const gateway = await startGateway(
        { pools: { default: { workers: 1 } } },
        { project: nestedProject({ deep: DEEP }) },
      );
      expect(await gateway.invoke('deep', depth)).toBe('bottom');
      expect(gateway.pools()[0]).toMatchObject({ workers: 1, reserve: { taken: 0, workers: 7 } });
    });

    test('refuses those that are 9 deep, naming path and cycle', async () => {
      const gateway = await startGateway(
        { pools: { default: { workers: 1 } } },
        { project: nestedProject({ deep: DEEP }) },
      );
      expect(await gateway.invoke('deep', 9)).toMatchObject({
        code: 'call-depth-exceeded',
        detail: `${Array(9).fill('deep').join(' → ')} is 9 functions deep; limits.callDepthMax is 8 (by default). The cycle: deep → deep.`,
      });
    });

    test('and callers that come all at once', async () => {
      const gateway = await startGateway(
        { pools: { default: { workers: 1 } } },
        { project: nestedProject({ deep: DEEP }) },
      );
      const calls = Array.from({ length: 12 }, (_, at) => gateway.invoke('deep', 1 + (at % 4)));
      expect(await Promise.all(calls)).toEqual(Array(12).fill('bottom'));
    });

    test('no worker in reserve is started for calls that need none', async () => {
      const project = nestedProject({ flat: 'return 1;', deep: DEEP });
      const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
      await Promise.all(Array.from({ length: 20 }, () => gateway.invoke('flat', null)));
      await gateway.invoke('deep', 2);
      expect(gateway.pools()[0]?.reserve).toMatchObject({ taken: 0, idleConnections: 0 });
    });
  });

  test('as many callers as workers, each with a call inside, are all served', async () => {
    const project = nestedProject({
      outer: [`${MEET.replace('%d', '4')} return ask($call, 'inner', null)[1];`, PATIENT],
      inner: ["return 'served';", PATIENT],
    });
    const gateway = await startGateway({ pools: { default: { workers: 4 } } }, { project });
    const folder = openFolder();
    const calls = Array.from({ length: 4 }, () => gateway.invoke('outer', folder));
    expect(await Promise.all(calls)).toEqual(Array(4).fill('served'));
  });

  test('from pool to pool and back, one worker each', async () => {
    const project = nestedProject({
      a: ["return $input === 0 ? 'end' : ask($call, 'b', $input - 1)[1];", `${PATIENT}, pool: 'left'`],
      b: ["return $input === 0 ? 'end' : ask($call, 'a', $input - 1)[1];", `${PATIENT}, pool: 'right'`],
    });
    const gateway = await startGateway({ pools: { left: { workers: 1 }, right: { workers: 1 } } }, { project });
    const calls = [5, 4, 7, 2].map((depth, at) => gateway.invoke(at % 2 === 0 ? 'a' : 'b', depth));
    expect(await Promise.all(calls)).toEqual(Array(4).fill('end'));
  });

  test('a function asks for many things at once', async () => {
    const project = nestedProject({
      fan: [
        "$open = array_map(fn ($n) => open($call, 'leaf', $n), range(1, 10)); return array_map(fn ($one) => finish($one)[1], $open);",
        PATIENT,
      ],
      leaf: ['return 2 * $input;', PATIENT],
    });
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
    const doubled = Array.from({ length: 10 }, (_, at) => 2 * (at + 1));
    expect(await Promise.all([gateway.invoke('fan', null), gateway.invoke('fan', null)])).toEqual([doubled, doubled]);
  });

  test('a function that reads a stream calls for each item', async () => {
    const project = nestedProject({
      reader: [
        `$stream = open($call, 'numbers', null, ['accept' => 'application/x-ndjson']);
       while (($line = fgets($stream)) !== false) {
         if (preg_match('/^\\{"n":(\\d+)/', $line, $found)) { $got[] = ask($call, 'leaf', (int) $found[1])[1]; }
       }
       return $got;`,
        PATIENT,
      ],
      // More than fits in between: it stands still until its reader takes some.
      ...streamHandler(
        'numbers',
        "for ($n = 0; $n < 40; $n++) { yield ['n' => $n, 'text' => str_repeat('x', 60_000)]; }",
        {
          contract: PATIENT,
        },
      ),
      leaf: ['return $input;', PATIENT],
    });
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
    expect(await gateway.invoke('reader', null)).toEqual(Array.from({ length: 40 }, (_, n) => n));
  });

  test('among hundreds of short calls written ahead of each other none is lost, late or stuck', async () => {
    const project = nestedProject({
      leaf: ['return $input;', PATIENT],
      one: ["return ask($call, 'leaf', $input)[1];", PATIENT],
      three: [
        "$open = array_map(fn ($n) => open($call, $n === 1 ? 'one' : 'leaf', $input), [1, 2, 3]); return array_sum(array_map(fn ($one) => finish($one)[1], $open));",
        PATIENT,
      ],
    });
    const gateway = await startGateway({ pools: { default: { workers: 3 } } }, { project });
    const names = ['leaf', 'leaf', 'leaf', 'one', 'three'];
    const calls = Array.from({ length: 400 }, (_, n) => gateway.invoke(names[n % names.length] ?? '', n));
    const expected = Array.from({ length: 400 }, (_, n) => (n % names.length === 4 ? 3 * n : n));
    expect(await Promise.all(calls)).toEqual(expected);
    expect(gateway.pools()[0]).toMatchObject({ backends: [{ taken: 0, behind: 0 }], reserve: { taken: 0 } });
  });
});

/** A gateway on php-fpm of somebody else's, whose PHP is told where to call. */
const attached = async (workers: number): Promise<Gateway> => {
  const folder = openFolder();
  const project = nestedProject({ deep: DEEP });
  chmodSync(project, 0o755);
  const socket = `${folder}/gateway.sock`;
  const pool = [`env[FPMG_GATEWAY] = unix:${socket}`];
  await rawFpm(folder, [`${folder}/a.sock`], workers, { pool });
  const settings = { ADDRESS: `unix:${folder}/a.sock`, WORKERS: String(workers), ROOT: project, RUNTIME: runtime };
  const env = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [`FPMG_POOLS__DEFAULT__${name}`, value]),
  );
  return (await startTestServer(project, { env: { ...env, FPMG_INTERNAL__SOCKET: socket } })).gateway;
};

describe('pools somebody else runs', () => {
  test('a call that would wait for ever is refused at once', async () => {
    const gateway = await attached(1);
    const startedMs = performance.now();
    expect(await gateway.invoke('deep', 2)).toMatchObject({
      status: 503,
      code: 'rpc-saturated',
      executed: 'no',
      retryable: true,
      detail:
        'All 1 workers of the pool default wait for calls that wait for one of them, only pools that the gateway runs itself have some in reserve: deep → deep would wait for ever. Give default more workers, or deep a pool of its own.',
    });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  });

  test('one that waits for a worker that will be free is not', async () => {
    const gateway = await attached(2);
    expect(await gateway.invoke('deep', 2)).toBe('bottom');
  });
});
