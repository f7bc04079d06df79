/** Connections, leaks and deaths among many calls in one worker, through the whole gateway. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { ask } from '../support/call.ts';
import { openFolder } from '../support/lifetime.ts';
import { kill } from '../support/php-processes.ts';
import { residentOf, residentPids, restartsOf, startConcurrent } from '../support/resident-pool.ts';
import { Runs } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const times = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

const codeOf = async (gateway: Gateway, name: string, input: unknown = null): Promise<unknown> => {
  const { status, body } = await ask(gateway, name, input);
  return status === 200 ? body : [body.code, body.executed];
};

const leaksOf = (gateway: Gateway, name: string): string[] =>
  (residentOf(gateway).functions.find((each) => each.name === name)?.leaks ?? []).map(
    (leak) => `${leak.kind} ${leak.name}`,
  );

const idle = async (gateway: Gateway): Promise<void> =>
  await until('no call runs', () => residentOf(gateway).resident.workers.every(({ calls }) => calls === 0));

const CONNECTION = `<?php
final class Connection {
  public static int $made = 0;
  public int $uses = 0;
  public function __construct() { ++self::$made; }
}
final class Kept { public static ?Connection $one = null; }
return null;`;
/** Whoever had it at the same time would have used it, too. */
const USE = `$c = $call->pool('shop', static fn () => new Connection(), 3);
  $mine = ++$c->uses; $call->sleep(2); $alone = $c->uses === $mine;`;

test('a pooled connection comes back however its call ends, and no two calls ever have one', async () => {
  const gateway = await startConcurrent(
    {
      returns: `${USE} return $alone;`,
      throws: `${USE} throw new \\Exception($alone ? 'alone' : 'shared');`,
      late: [`${USE} $call->sleep(600_000);`, 'timeoutMs: 150'],
      own: `${USE} $own = new \\Fiber(function () use ($c) { \\Fiber::suspend($c); }); $own->start(); return $alone;`,
      made: 'return Connection::$made;',
    },
    { bootstrap: CONNECTION },
  );
  // All three are forgotten by calls whose time runs out; the others wait in line meanwhile.
  const late = times(3, () => codeOf(gateway, 'late'));
  const rest = times(30, (n) => codeOf(gateway, ['returns', 'throws', 'own'][n % 3] ?? ''));
  for (const code of await Promise.all(late))
    expect(code).toEqual(['function-timeout', expect.stringMatching(/^(yes|unknown)$/)]);
  expect(await Promise.all(rest)).toEqual(times(30, (n) => (n % 3 === 1 ? ['function-error', 'yes'] : true)));
  await idle(gateway);
  expect(await gateway.invoke('made', null)).toBeLessThanOrEqual(3);
  expect(restartsOf(gateway)).toEqual({});
});

test('one that its call keeps in a static is told, and given to no other', async () => {
  const gateway = await startConcurrent(
    {
      keeps: `${USE} Kept::$one ??= $c; return $alone;`,
      uses: `${USE} return $alone && $c !== Kept::$one;`,
    },
    { bootstrap: CONNECTION },
  );
  expect(await codeOf(gateway, 'keeps')).toBe(true);
  expect(await Promise.all(times(12, () => codeOf(gateway, 'uses')))).toEqual(times(12, () => true));
  expect(leaksOf(gateway, 'keeps')).toEqual(['pooled shop']);
});

test('sockets that calls keep in a static, far more than one process can wait for, leave the others theirs', async () => {
  const gateway = await startConcurrent({
    hoards: `static $all = [];
      $server = stream_socket_server('tcp://127.0.0.1:0', $code, $why, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, stream_context_create(['socket' => ['backlog' => 511]]));
      try { while (true) { $all[] = $call->connect('tcp://' . stream_socket_get_name($server, false), 100); } } catch (\\RuntimeException $e) { return count($all); }`,
    connects: `$server = stream_socket_server('tcp://127.0.0.1:0'); try { $call->connect('tcp://' . stream_socket_get_name($server, false), 100); return 'connected'; } catch (\\RuntimeException $e) { return $e->getMessage(); }`,
    echo: 'return $input;',
  });
  for (let n = 0; n < 6; n += 1) {
    expect(await codeOf(gateway, 'hoards')).toBe(256 * (n + 1));
    expect(await codeOf(gateway, 'connects')).toBe('connected');
  }
  expect(await codeOf(gateway, 'echo', 1)).toBe(1);
  expect(restartsOf(gateway)).toEqual({});
});

test('a transaction that is left open on one is rolled back before the next call has it', async () => {
  const file = join(openFolder(), 'shop.db');
  const pool = `$db = $call->pool('shop', static fn () => new \\PDO('sqlite:${file}'), 1);`;
  const gateway = await startConcurrent({
    begins: `${pool} $db->exec('CREATE TABLE IF NOT EXISTS t (n)'); $db->beginTransaction(); $db->exec('INSERT INTO t VALUES (1)'); $call->sleep(2); if ($input) { throw new \\Exception('no'); } return true;`,
    next: `${pool} return [$db->inTransaction(), (int) $db->query('SELECT count(*) FROM t')->fetchColumn()];`,
  });
  const answers = await Promise.all([
    codeOf(gateway, 'begins', false),
    codeOf(gateway, 'next'),
    codeOf(gateway, 'begins', true),
    codeOf(gateway, 'next'),
  ]);
  expect(answers).toEqual([true, [false, 0], ['function-error', 'yes'], [false, 0]]);
});

test('a static that holds the caller is named in GET /admin/pools and in a trace, while others get their answers', async () => {
  const gateway = await startConcurrent(
    {
      login:
        'Context::$user = $input; try { $call->sleep(5); return Context::$user; } finally { Context::$user = null; }',
      echo: '$call->sleep(1); return $input;',
    },
    { bootstrap: '<?php final class Context { public static ?string $user = null; } return null;' },
  );
  const answers = times(20, (n) => ask(gateway, 'login', `user ${n}`));
  expect(await Promise.all(times(20, (n) => codeOf(gateway, 'echo', n)))).toEqual(times(20, (n) => n));
  const events = (await Promise.all(answers)).flatMap((answer) => answer.events);
  expect(leaksOf(gateway, 'login')).toEqual(['shared Context::$user']);
  expect(JSON.stringify(events)).toContain('two calls set it while both ran');
});

test('workers that die over and over leave the pool whole: each call runs once, and is told so', async () => {
  const runs = new Runs();
  const gateway = await startConcurrent({
    dies: runs.marking('posix_kill(getmypid(), 9); sleep(1);'),
    echo: 'return $input;',
  });
  const codes = await Promise.all(times(8, () => codeOf(gateway, 'dies')));
  expect(codes).toEqual(times(8, () => ['worker-crashed', 'unknown']));
  expect(runs.count).toBe(8);
  expect(await codeOf(gateway, 'echo', 1)).toBe(1);
  expect(restartsOf(gateway)).toEqual({ crashed: 8 });
});

test('a worker that is killed from outside: those that ran are told, those that had not begun run elsewhere', async () => {
  const gate = join(openFolder(), 'gate');
  const runs = new Runs();
  const gateway = await startConcurrent({
    blocks: `touch('${gate}'); while (!is_file('${gate}.open')) { usleep(1000); clearstatcache(); } return 1;`,
    nap: '$call->sleep(600_000); return 1;',
    counts: runs.marking('return getmypid();'),
  });
  const [pid = 0] = residentPids(gateway);
  const naps = times(5, () => codeOf(gateway, 'nap'));
  await until('they wait', () => residentOf(gateway).resident.workers[0]?.calls === 5);
  const blocks = codeOf(gateway, 'blocks');
  await until('it blocks', () => existsSync(gate));
  const counts = times(10, () => codeOf(gateway, 'counts'));
  await until('they are on their way', () => residentOf(gateway).resident.workers[0]?.calls === 16);
  kill(pid, 'SIGKILL');
  expect(await Promise.all([blocks, ...naps])).toEqual(times(6, () => ['worker-crashed', 'unknown']));
  for (const code of await Promise.all(counts)) expect(code).toEqual(expect.any(Number));
  expect(runs.count).toBe(10);
  expect(residentPids(gateway)).not.toContain(pid);
  writeFileSync(`${gate}.open`, '');
});

test('a buffer that cannot be removed costs the worker, which serves out what runs in it', async () => {
  const gate = join(openFolder(), 'gate');
  const gateway = await startConcurrent({
    sticks: 'ob_start(null, 0, 0); echo "SECRET"; $call->sleep(20); return ob_get_level();',
    waits: `while (!is_file('${gate}')) { $call->sleep(1); clearstatcache(); } return getmypid();`,
    pid: 'return getmypid();',
    prints: 'echo "SECRET"; return 1;',
  });
  const [pid] = residentPids(gateway);
  const naps = times(2, () => codeOf(gateway, 'waits'));
  await until('they wait', () => residentOf(gateway).resident.workers[0]?.calls === 2);
  const { status, text } = await ask(gateway, 'sticks');
  expect([status, text]).toEqual([200, '2']);
  writeFileSync(gate, '');
  expect(await Promise.all(naps)).toEqual([pid, pid]);
  await until('another is there', async () => (await codeOf(gateway, 'pid')) !== pid);
  expect(await codeOf(gateway, 'prints')).toEqual(['function-stray-output', 'yes']);
  expect(restartsOf(gateway)).toEqual({ leak: 1 });
});

test('without a sentinel each call has its own output and buffers all the same', async () => {
  const gateway = await startConcurrent(
    {
      page: 'ob_start(); echo "page $input"; $call->sleep(5); echo "."; return ob_get_clean();',
      prints: '$call->sleep(2); echo "SECRET"; return 1;',
    },
    { resident: { leaks: 'off' } },
  );
  const pages = times(5, (n) => codeOf(gateway, 'page', n));
  const prints = times(5, () => codeOf(gateway, 'prints'));
  expect(await Promise.all(pages)).toEqual(times(5, (n) => `page ${n}.`));
  expect(await Promise.all(prints)).toEqual(times(5, () => ['function-stray-output', 'yes']));
});
