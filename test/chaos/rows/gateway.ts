/** The gateway itself is stopped, starved, or given a release that does not load. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { groupOf, isAlive, kill } from '../../support/php-processes.ts';
import { until } from '../../support/until.ts';
import { GatewayProcess } from '../gateway-process.ts';
import { send } from '../http.ts';
import { steadyLoad } from '../load.ts';
import type { World } from '../world.ts';
import { PLAIN, type Row } from './row.ts';

const ready = async (world: World): Promise<number> =>
  (await send(`${world.gateway.url}/readyz`, undefined, { method: 'GET' })).status;

const reload = (world: World) => send(`${world.gateway.adminUrl}/admin/reload`, null, { raw: '' });

const release = (world: World, value: string): void =>
  writeFileSync(
    join(world.project, 'functions/echo.php'),
    `<?php\ndeclare(strict_types=1);\nreturn static function (mixed $input): mixed { ${value} };\n`,
  );

export const gatewayRows: readonly Row[] = [
  {
    number: 42,
    fault: 'SIGTERM under load',
    expected: '200 for all that was taken; then connections are refused, php-fpm ends, exit 0',
    world: {},
    run: async (world) => {
      // The other worker serves until no more is taken.
      const { held, answer } = await world.hold();
      const master = await world.masterPid();
      world.gateway.child.kill('SIGTERM');
      await until('it takes no more', async () => {
        const { status, code } = await world.call('echo', { n: 1 });
        assert.ok(status === 200 || code === 'broken' || code === 'shutting-down', code);
        return status !== 200;
      });
      held.go();
      assert.equal((await answer).status, 200);
      assert.equal(await world.gateway.exit, 0);
      assert.ok(!isAlive(master));
      world.isOver = true;
    },
  },
  {
    number: 55,
    fault: 'A release that does not load',
    expected: '422 release-rejected naming the file; the old one serves on, ready',
    world: {},
    run: async (world) => {
      const load = steadyLoad(world, { atOnce: 2 });
      await load.reached(10);
      writeFileSync(join(world.project, 'schemas/broken.ts'), 'export default {{{');
      const answer = await reload(world);
      assert.deepEqual([answer.status, answer.code], [422, 'release-rejected'], answer.text.slice(0, 300));
      assert.match(answer.text, /broken\.ts/);
      assert.equal(await ready(world), 200);
      await load.reached(load.count + 10);
      const { codes } = await load.stop();
      assert.deepEqual(Object.keys(codes), ['ok']);
      world.last = answer;
      // Its descriptors and workers are measured as ever: nothing of the new release may be left.
    },
  },
  {
    number: 56,
    fault: 'A handler is cut off in place while it is called',
    expected: 'at most 500 function-error meanwhile; a reload of it is refused',
    world: {},
    run: async (world) => {
      const load = steadyLoad(world, { atOnce: 2 });
      await load.reached(10);
      writeFileSync(join(world.project, 'functions/echo.php'), '<?php return static fn (mixed $in');
      await load.reached(load.count + 10);
      const answer = await reload(world);
      assert.equal(answer.code, 'release-rejected', answer.text.slice(0, 300));
      release(world, 'return $input;');
      await load.reached(load.count + 10);
      const { codes } = await load.stop();
      assert.deepEqual(
        Object.keys(codes).filter((code) => code !== 'ok' && code !== 'function-error'),
        [],
        JSON.stringify(codes),
      );
      world.notes.push(JSON.stringify(codes));
    },
  },
  {
    number: 57,
    fault: 'opcache full',
    expected: '200, slower',
    world: {
      env: {
        FPMG_POOLS__DEFAULT__INI:
          '{"opcache.memory_consumption":8,"opcache.interned_strings_buffer":4,"opcache.max_accelerated_files":200}',
      },
    },
    run: async (world) => {
      for (let at = 0; at < 30; at += 1) {
        await world.serves();
        assert.equal((await world.call('facts')).status, 200);
      }
    },
  },
  {
    number: 58,
    fault: 'Trace collector dead, slow, failing',
    expected: 'nothing: 200',
    world: {
      prepare: async ({ lifetime }) => {
        // It takes connections and never answers.
        const hole = createTcpServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
        await once(hole, 'listening');
        lifetime(() => void hole.close());
        const { port } = hole.address() as AddressInfo;
        return { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_EXPORTER_OTLP_TIMEOUT: '300' };
      },
    },
    run: async (world) => {
      const load = steadyLoad(world, { atOnce: 4 });
      await load.reached(1000);
      const { codes } = await load.stop();
      assert.deepEqual(Object.keys(codes), ['ok']);
    },
  },
  {
    number: 59,
    fault: 'Nobody reads the log',
    expected: 'nothing: 200',
    world: { env: { FPMG_LOG__LEVEL: 'debug' } },
    run: async (world) => {
      const { stdout } = world.gateway.child;
      stdout?.pause();
      const load = steadyLoad(world, { atOnce: 4, function: 'echo' });
      // Each fatal error is a line with its trace: more than a pipe holds.
      for (let at = 0; at < 60; at += 1) assert.equal((await world.call('fatal')).status, 500);
      await load.reached(500);
      const { codes } = await load.stop();
      assert.deepEqual(Object.keys(codes), ['ok']);
      stdout?.resume();
    },
  },
  {
    number: 60,
    fault: 'No file descriptor is left',
    expected: 'connections wait, or 503 overloaded; no crash; served again',
    world: { descriptors: 160 },
    run: async (world) => {
      const { hostname, port } = new URL(world.gateway.url);
      const sockets = Array.from({ length: 300 }, () => connect(Number(port), hostname).on('error', () => {}));
      await Promise.all(sockets.map((socket) => once(socket, 'connect').catch(() => {})));
      // Those that were there before it was full are served; a new one waits until there is room.
      const waiting = world.call('echo', { n: 1 });
      for (const socket of sockets) socket.destroy();
      const answer = await waiting;
      assert.ok(['ok', 'overloaded', 'broken'].includes(answer.code), answer.text);
      await world.recovers(['overloaded', 'broken', 'pool-unavailable']);
      assert.ok(isAlive(world.gateway.pid));
    },
  },
  {
    number: 61,
    fault: 'The gateway itself stands still for seconds',
    expected: 'what waits is answered, or refused with 503 overloaded; served again',
    world: PLAIN,
    run: async (world) => {
      kill(world.gateway.pid, 'SIGSTOP');
      const calls = Array.from({ length: 20 }, (_, n) => world.call('echo', { n }));
      // Not a wait for something: this is the fault.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      kill(world.gateway.pid, 'SIGCONT');
      for (const answer of await Promise.all(calls))
        assert.ok(['ok', 'overloaded', 'queue-timeout'].includes(answer.code), `${answer.code} ${answer.text}`);
      await world.recovers(['overloaded', 'queue-timeout']);
      assert.equal(await ready(world), 200);
    },
  },
  {
    number: 66,
    fault: 'Gateway kill -9',
    expected: 'its php-fpm ends without it; the next gateway starts in the same folder and serves',
    world: {},
    run: async (world) => {
      const { gateway, project, lifetime } = world;
      const masters = (await world.pools()).flatMap(({ masterPid }) => (masterPid === undefined ? [] : [masterPid]));
      const old = masters.flatMap((pid) => groupOf(pid));
      const { answer } = await world.hold();
      kill(gateway.pid, 'SIGKILL');
      assert.equal((await answer).code, 'broken');
      await until('no process of it is left', () => old.every((pid) => !isAlive(pid)));
      const { runtimeDir } = gateway;
      world.replace(await GatewayProcess.start({ project, runtimeDir, lifetime }));
      await world.serves();
      // What the first one had is not what the second one has.
      world.isOver = true;
    },
  },
];
