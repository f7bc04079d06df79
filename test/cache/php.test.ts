/** `$call->cache` in handlers of a real gateway: what workers share, who else sees it, and what survives whom. */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { isRoot, lookUpUser } from '../../gateway/pool/instance-dir.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { until } from '../support/until.ts';

/** Runs any code, so that one project serves all tests. */
const RUN = { run: 'return eval($input);' };
const POOLS = { default: { workers: 3 }, other: { workers: 1 } };
const TWO_POOLS = { ...RUN, elsewhere: ['return eval($input);', "pool: 'other'"] } as const;

const file = wholeFile();
let gateway: Gateway;
const run = async (code: string): Promise<unknown> => await gateway.invoke('run', code);

beforeAll(async () => {
  gateway = await startGateway({ pools: POOLS }, { project: functionsProject(TWO_POOLS, file) }, file);
});

const figures = (pool = 'default') => gateway.pools().find(({ name }) => name === pool)?.cache;

test('a value is there for the next call, whichever worker it meets', async () => {
  expect(await run("return $call->cache->get('greeting', 'nothing');")).toBe('nothing');
  expect(await run("return $call->cache->set('greeting', 'hello');")).toBe(true);
  const look = "usleep(20000); return [$call->cache->get('greeting'), getmypid()];";
  const seen = (await Promise.all(Array.from({ length: 9 }, () => run(look)))) as [string, number][];
  expect(seen.map(([value]) => value)).toEqual(Array(9).fill('hello'));
  expect(new Set(seen.map(([, pid]) => pid)).size).toBeGreaterThan(1);
});

test('counters lose nothing, however many count at once', async () => {
  const counting = 'for ($i = 0; $i < 50; $i++) { $n = $call->cache->increment("hits"); } return $n;';
  const last = (await Promise.all(Array.from({ length: 20 }, () => run(counting)))) as number[];
  expect(Math.max(...last)).toBe(1000);
  expect(new Set(last).size).toBe(20);
});

test('of many calls at once one makes what is missing', async () => {
  const code = `return $call->cache->remember('made once', 60000, function () use ($call) { $call->cache->increment('makers'); usleep(50000); return 'value'; });`;
  expect(await Promise.all(Array.from({ length: 6 }, () => run(code)))).toEqual(Array(6).fill('value'));
  expect(await run("return $call->cache->get('makers');")).toBe(1);
});

test('pools do not see each other', async () => {
  await run("return $call->cache->set('mine', 1);");
  expect(await gateway.invoke('elsewhere', "return $call->cache->get('mine', 'nothing');")).toBe('nothing');
  expect(figures('other')).toMatchObject({ entries: 0, misses: 1 });
});

test('the status of a pool tells what its cache does', async () => {
  const before = figures();
  await run(
    "$call->cache->set('figures', 'x'); $call->cache->get('figures'); $call->cache->get('no figures'); return 1;",
  );
  expect(figures()).toMatchObject({
    entries: (before?.entries ?? 0) + 1,
    bytes: (before?.bytes ?? 0) + 209,
    maxBytes: 16_777_216,
    hits: (before?.hits ?? 0) + 1,
    misses: (before?.misses ?? 0) + 1,
    evictions: 0,
  });
});

test('the socket is the pool user’s alone, in a folder in which only the gateway can write', async () => {
  const path = String(await run("return getenv('FPMG_CACHE');")).replace('unix:', '');
  expect(path).toMatch(/\/c\/default\.sock$/);
  const uid = isRoot() ? lookUpUser('www-data')?.uid : process.getuid?.();
  expect([statSync(path).uid, statSync(path).mode & 0o777]).toEqual([uid, 0o600]);
  expect(statSync(join(path, '..')).uid).toBe(process.getuid?.());
  expect(statSync(join(path, '..')).mode & 0o022).toBe(0);
});

describe('a worker', () => {
  let own: Gateway;
  const call = async (code: string): Promise<unknown> => await own.invoke('run', code);
  /** What an earlier call of the same worker does to the connection that both use. */
  const STREAM = `$s = stream_socket_client(str_replace('unix:/', 'unix:///', getenv('FPMG_CACHE')), $e, $t, 1, STREAM_CLIENT_CONNECT | STREAM_CLIENT_PERSISTENT);
    $get = fn (string $key) => pack('VPCC', 10 + strlen($key), 99, 1, strlen($key)) . $key;
    $await = function () use ($s) { $r = [$s]; $w = $x = null; stream_select($r, $w, $x, 5); };`;

  beforeAll(async () => {
    own = await startGateway({ pools: { default: { workers: 1 } } }, { project: functionsProject(RUN, file) }, file);
    await call("$call->cache->set('secret', 'of another'); return $call->cache->set('k', 'mine');");
  });

  test('keeps its connection from call to call', async () => {
    const peer = `${STREAM} return [fstat($s)['ino'], getmypid()];`;
    expect(await call(`$call->cache->get('k'); ${peer}`)).toEqual(await call(peer));
    expect(own.pools()[0]?.cache).toMatchObject({ connections: 1 });
  });

  test.each([
    ['unread', 'fwrite($s, $get("secret")); $await();'],
    ['half read', 'fwrite($s, $get("secret")); $await(); stream_set_read_buffer($s, 0); fread($s, 15);'],
    ['on its way', 'fwrite($s, $get("secret"));'],
    ['twice', 'fwrite($s, $get("secret") . $get("k")); $await();'],
    ['and a request half written', 'fwrite($s, substr($get("secret"), 0, 7));'],
  ])('never takes the answer of an earlier call for its own: left %s', async (_, leave) => {
    const leaving = `${STREAM} ${leave} return 1;`;
    await call(leaving);
    expect(await call("return $call->cache->get('k');")).toBe('mine');
    await call(leaving);
    expect(await call("return $call->cache->many(['k', 'none']);")).toEqual({ k: 'mine' });
    await call(leaving);
    expect(await call("return $call->cache->remember('k', 1000, fn () => 'made');")).toBe('mine');
  });

  test('counts on, also where an earlier call has left an answer unread', async () => {
    const leaving = `${STREAM} fwrite($s, $get("secret")); $await(); return 1;`;
    await call(leaving);
    expect(await call("return $call->cache->increment('n');")).toBe(1);
    await call(leaving);
    expect(await call("return $call->cache->add('n', 5);")).toBe(false);
  });

  test('that exits while it makes a value leaves it to the next call', async () => {
    await expect(call("return $call->cache->remember('r', 60000, function () { exit(1); });")).rejects.toMatchObject({
      executed: 'yes',
    });
    expect(await call("return $call->cache->remember('r', 60000, fn () => 'made');")).toBe('made');
  });

  test('that runs out of memory in the middle of an answer harms no later call', async () => {
    await call("return $call->cache->set('large', str_repeat('x', 1000000));");
    const hungry =
      "ini_set('memory_limit', (string) (memory_get_usage(true) + 400000)); return strlen($call->cache->get('large'));";
    await expect(call(hungry)).rejects.toMatchObject({ code: expect.any(String) });
    expect(await call("return $call->cache->get('k');")).toBe('mine');
    expect(await call("return strlen($call->cache->get('large'));")).toBe(1_000_000);
  });
});

test('the value of a worker that is killed while it makes it is made by one that waits for it', async () => {
  const folder = openFolder();
  const dying = `return $call->cache->remember('dying', 60000, function () {
    touch('${folder}/started'); while (!is_file('${folder}/go')) { usleep(1000); clearstatcache(); } posix_kill(getmypid(), SIGKILL); });`;
  const killed = run(dying).catch((error: unknown) => error);
  await until('it makes the value', () => existsSync(join(folder, 'started')));
  const waiting = run("return $call->cache->remember('dying', 60000, fn () => 'made by the other');");
  await until('the other runs', () => gateway.pools()[0]?.backends[0]?.taken === 2);
  writeFileSync(join(folder, 'go'), '');
  expect(await waiting).toBe('made by the other');
  expect(await killed).toMatchObject({ code: expect.any(String) });
});

test('what is cached survives php-fpm and a reload, and goes with the gateway', async () => {
  const server = await startTestServer(functionsProject(RUN), { env: { FPMG_POOLS__DEFAULT__WORKERS: '1' } });
  const call = async (code: string): Promise<unknown> => await server.gateway.invoke('run', code);
  await call("return $call->cache->set('k', 'kept');");
  const { masterPid = 0 } = server.gateway.pools()[0] ?? {};
  process.kill(masterPid, 'SIGKILL');
  await until('another master', () => ![masterPid, undefined].includes(server.gateway.pools()[0]?.masterPid));
  expect(await call("return $call->cache->get('k');")).toBe('kept');
  const old = server.gateway;
  await server.reload();
  expect(server.gateway).not.toBe(old);
  expect(await call("return $call->cache->get('k');")).toBe('kept');
  const { pools } = (await (await fetch(`${server.adminUrl}/admin/pools`)).json()) as { pools: { cache: object }[] };
  expect(pools[0]?.cache).toMatchObject({ entries: 1, hits: 2, misses: 0, evictions: 0 });
});

test('a call of the release before shares the cache with the new one', async () => {
  const folder = openFolder();
  const server = await startTestServer(functionsProject(RUN), { env: { FPMG_POOLS__DEFAULT__WORKERS: '1' } });
  const old = server.gateway.invoke(
    'run',
    `touch('${folder}/started'); while (!is_file('${folder}/go')) { usleep(1000); clearstatcache(); }
     return [$call->cache->get('k'), $call->cache->increment('n')];`,
  );
  await until('it runs', () => existsSync(join(folder, 'started')));
  await server.reload();
  await server.gateway.invoke('run', "$call->cache->increment('n'); return $call->cache->set('k', 'of the new one');");
  writeFileSync(join(folder, 'go'), '');
  expect(await old).toEqual(['of the new one', 2]);
});

test('limits of a pool are its own, and what is over them goes', async () => {
  const cache = { maxBytes: 65_536, entriesMax: 10, valueMaxBytes: 2000 };
  const small = await startGateway({ pools: { default: { workers: 1, cache } } }, { project: functionsProject(RUN) });
  const fill = `for ($i = 0; $i < 30; $i++) { $call->cache->set("k$i", $i); } return array_keys($call->cache->many(array_map(fn ($i) => "k$i", range(0, 29))));`;
  expect(await small.invoke('run', fill)).toEqual(Array.from({ length: 10 }, (_, at) => `k${at + 20}`));
  expect(small.pools()[0]?.cache).toMatchObject({ entries: 10, evictions: 20, maxBytes: 65_536 });
  const large =
    "try { $call->cache->set('k', str_repeat('x', 2000)); } catch (LengthException $e) { return $e->getMessage(); }";
  expect(await small.invoke('run', large)).toContain('has 2001 bytes, encoded; the cache of this pool takes 2000');
});

test('where there is none, the call says why', async () => {
  const code =
    "putenv('FPMG_CACHE'); try { $call->cache->get('k'); } catch (LogicException $e) { return $e->getMessage(); }";
  expect(await run(code)).toMatch(/There is no cache here: FPMG_CACHE is not set\..*a pool with an address/);
});

test.runIf(isRoot())('a user that is not there is told once, not for each socket', async () => {
  const started = startGateway({ pools: { default: { user: 'not-there' } } }, { project: functionsProject(RUN) });
  await expect(started).rejects.toMatchObject({ problems: [{ property: 'pools.default.user' }] });
});

test('a bootstrap has it, before there is a call', async () => {
  const bootstrap = "<?php FpmGateway\\Cache::ofEnvironment()->increment('bootstraps');";
  const project = functionsProject({ ...RUN, 'app/boot.php': bootstrap });
  const pools = { default: { workers: 1, bootstrap: 'app/boot.php' } };
  const booted = await startGateway({ pools }, { project });
  expect(await booted.invoke('run', "return $call->cache->get('bootstraps') >= 2;")).toBe(true);
});

describe('resident workers', () => {
  const BOTH = { ...RUN, resident: ['return eval($input);', "engine: 'resident'"] } as const;
  const pools = { default: { workers: 1, resident: { workers: 2 } } };

  test('share the cache with those of php-fpm, and keep one connection each', async () => {
    const both = await startGateway({ pools }, { project: functionsProject(BOTH) });
    await both.invoke('run', "return $call->cache->set('k', 'of php-fpm');");
    const look = "usleep(5000); return [$call->cache->get('k'), $call->cache->increment('n'), getmypid()];";
    const seen = (await Promise.all(Array.from({ length: 10 }, () => both.invoke('resident', look)))) as unknown[][];
    expect(seen.map(([value]) => value)).toEqual(Array(10).fill('of php-fpm'));
    expect(seen.map(([, count]) => count).sort((a, b) => Number(a) - Number(b))).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    const workers = new Set(seen.map(([, , pid]) => pid)).size;
    expect(both.pools()[0]?.cache).toMatchObject({ connections: workers + 1 });
  });

  test('that end in the middle leave what they made to the next call', async () => {
    const both = await startGateway({ pools }, { project: functionsProject(BOTH) });
    const dying = "return $call->cache->remember('r', 60000, function () { exit(1); });";
    await expect(both.invoke('resident', dying)).rejects.toMatchObject({ executed: 'yes' });
    expect(await both.invoke('resident', "return $call->cache->remember('r', 60000, fn () => 'made');")).toBe('made');
  });

  test('fork from a master whose bootstrap uses the cache', async () => {
    const bootstrap = "<?php FpmGateway\\Cache::ofEnvironment()->increment('bootstraps'); return getmypid();";
    const booted = {
      resident: ["return [$app === getmypid(), $call->cache->get('bootstraps')];", "engine: 'resident'"],
    } as const;
    const project = functionsProject({ ...booted, 'app/boot.php': bootstrap });
    const settings = { default: { ...pools.default, bootstrap: 'app/boot.php' } };
    const both = await startGateway({ pools: settings }, { project });
    const [isOwn, bootstraps] = (await both.invoke('resident', null)) as [boolean, number];
    // The master ran it, for all of its forks.
    expect([isOwn, bootstraps]).toEqual([false, 1]);
  });
});

test('what a call of a resident worker began to make and left, the next one makes and keeps', async () => {
  const resident = functionsProject({ run: ['return eval($input);', "engine: 'resident'"] });
  const one = await startGateway(
    { pools: { default: { workers: 1, resident: { workers: 1 } } } },
    { project: resident },
  );
  const left =
    '$fiber = new Fiber(fn () => $call->cache->remember("k", 60000, fn () => Fiber::suspend())); $fiber->start(); return 1;';
  expect(await one.invoke('run', left)).toBe(1);
  const made = 'return [$call->cache->remember("k", 60000, fn () => "made"), $call->cache->get("k")];';
  expect(await one.invoke('run', made)).toEqual(['made', 'made']);
});
