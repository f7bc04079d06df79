/** Handlers that misbehave in a worker that stays: a clear error, the worker replaced where it must be, nobody else harmed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Ending } from '../../gateway/pool/recycling.ts';
import { ask, post } from '../support/call.ts';
import { openFolder } from '../support/lifetime.ts';
import { isAlive, kill } from '../support/php-processes.ts';
import { atOnce, Calls, toldOf, WORK } from '../support/pipelined.ts';
import { allIdle, residentOf, residentPids, restartsOf, startResident } from '../support/resident-pool.ts';
import { Held, Runs, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const PID = 'return getmypid();';
/** What a call after it finds: nothing that another call could have changed. */
const CLEAN = `return [
  getcwd() === dirname($_SERVER['SCRIPT_FILENAME']), ini_get('precision'), ini_get('memory_limit'), setlocale(LC_ALL, '0'),
  date_default_timezone_get(), mb_internal_encoding(), error_reporting(), set_error_handler(null) === null,
  set_exception_handler(null) === null, ob_get_level(), headers_list(), getenv('LEFT'), umask(), ignore_user_abort(),
  $_GET, $_POST, $_COOKIE, isset($_SERVER['LEFT']), stream_get_wrappers(),
];`;

interface Deed {
  readonly body: string;
  readonly contract?: string;
  /** None: it succeeds. */
  readonly error?: { readonly status: number; readonly code: string; readonly executed: string };
  /** Why its worker is replaced; none: it stays. */
  readonly restart?: Ending;
}

const crashed = { status: 502, code: 'worker-crashed', executed: 'unknown' };
const noResult = { status: 502, code: 'function-no-result', executed: 'yes' };
const stray = { status: 502, code: 'function-stray-output', executed: 'yes' };
/** All streams that a handler can find: the worker's connection is among them. */
const STREAMS = "get_resources('stream')";

const deeds: Readonly<Record<string, Deed>> = {
  exits: { body: 'exit;', error: noResult, restart: 'exit' },
  'exits with a text': { body: "exit('SECRET');", error: noResult, restart: 'exit' },
  'dies past catch and finally': {
    body: "try { array_map(fn () => die('SECRET'), [1]); } catch (\\Throwable) { return 1; } finally { echo 1; } return 2;",
    error: noResult,
    restart: 'exit',
  },
  'dies in a destructor': {
    body: '$a = new class { public function __destruct() { exit; } }; unset($a); return 1;',
    error: noResult,
    restart: 'exit',
  },
  'dies in a reset hook': { body: '$call->onReset(fn () => exit); return 1;', error: noResult, restart: 'exit' },
  'throws in a reset hook': { body: "$call->onReset(fn () => throw new \\Exception('SECRET')); return 1;" },
  'is a fatal error': {
    body: "eval('class A {} class A {}'); return 1;",
    error: { status: 500, code: 'function-error', executed: 'yes' },
    restart: 'fatal-error',
  },
  'uses up memory': {
    body: 'return strlen(str_repeat("x", 1 << 40));',
    error: { status: 500, code: 'function-out-of-memory', executed: 'yes' },
    restart: 'out-of-memory',
  },
  'uses up memory, bit by bit': {
    body: '$all = []; while (true) { $all[] = new \\ArrayObject([1]); }',
    error: { status: 500, code: 'function-out-of-memory', executed: 'yes' },
    restart: 'out-of-memory',
  },
  echoes: { body: "echo 'SECRET'; return 1;", error: stray },
  'echoes past its buffer': {
    body: "while (ob_get_level() > 0) { ob_end_clean(); } echo 'SECRET'; return 1;",
    error: stray,
    restart: 'leak',
  },
  'writes to php://output': { body: "fwrite(fopen('php://output', 'w'), 'SECRET'); return 1;", error: stray },
  'leaves a buffer that cannot be removed': { body: 'ob_start(null, 0, 0); return 1;', restart: 'leak' },
  'sets headers': { body: "header('A: b'); http_response_code(404); setcookie('a', 'b'); return 1;" },
  'changes directory': { body: "chdir('/'); return 1;" },
  'changes ini settings': {
    body: "ini_set('precision', '3'); ini_set('memory_limit', '1G'); error_reporting(0); return 1;",
  },
  'changes locale, timezone and encoding': {
    body: "setlocale(LC_ALL, 'C.UTF-8'); date_default_timezone_set('Asia/Tokyo'); mb_internal_encoding('ISO-8859-1'); return 1;",
  },
  'sets error and exception handlers': {
    body: 'set_error_handler(fn () => true); set_exception_handler(fn () => null); return 1;',
  },
  'changes the environment and the umask': { body: "putenv('LEFT=over'); umask(0); return 1;" },
  'writes to superglobals': { body: "$_GET['a'] = $_POST['b'] = $_COOKIE['c'] = $_SERVER['LEFT'] = 1; return 1;" },
  'limits its time': { body: 'set_time_limit(1); ignore_user_abort(true); return 1;' },
  forks: {
    body: "$pid = pcntl_fork(); if ($pid === 0) { return 'child'; } pcntl_waitpid($pid, $status); return 1;",
  },
  'forks a child that exits': {
    body: '$pid = pcntl_fork(); if ($pid === 0) { exit(0); } pcntl_waitpid($pid, $status); return 1;',
  },
  'forks a child that throws': {
    body: "$pid = pcntl_fork(); if ($pid === 0) { throw new \\Exception('SECRET'); } pcntl_waitpid($pid, $status); return 1;",
  },
  'closes all streams': {
    body: `foreach (${STREAMS} as $s) { @fclose($s); } return 1;`,
    error: crashed,
    restart: 'crashed',
  },
  'shuts all sockets down': {
    body: `foreach (${STREAMS} as $s) { @stream_socket_shutdown($s, STREAM_SHUT_RDWR); } return 1;`,
    error: crashed,
    restart: 'crashed',
  },
  'writes nonsense to all streams': {
    body: `foreach (${STREAMS} as $s) { @fwrite($s, str_repeat('SECRET', 100)); } return 1;`,
    error: { status: 502, code: 'bad-function-response', executed: 'unknown' },
    restart: 'crashed',
  },
  'makes all streams non-blocking': {
    body: `foreach (${STREAMS} as $s) { @stream_set_blocking($s, false); } return 1;`,
  },
  'runs past its time': {
    body: 'while (true) { usleep(1000); }',
    contract: 'timeoutMs: 300',
    error: { status: 504, code: 'function-timeout', executed: 'unknown' },
    restart: 'stopped',
  },
  'runs past its time without a break': {
    body: 'while (true);',
    contract: 'timeoutMs: 300',
    error: { status: 504, code: 'function-timeout', executed: 'unknown' },
    restart: 'stopped',
  },
  'runs past its time and ignores signals': {
    body: 'pcntl_async_signals(true); pcntl_signal(SIGTERM, SIG_IGN); while (true) { usleep(1000); }',
    contract: 'timeoutMs: 300',
    error: { status: 504, code: 'function-timeout', executed: 'unknown' },
    restart: 'stopped',
  },
  'kills itself': { body: 'posix_kill(getmypid(), 9); sleep(1); return 1;', error: crashed, restart: 'crashed' },
  crashes: { body: 'posix_kill(getmypid(), 11); sleep(1); return 1;', error: crashed, restart: 'crashed' },
  'leaves a program behind that has its streams': {
    body: "proc_open(['sleep', '5'], [], $pipes); exit;",
    error: noResult,
    restart: 'exit',
  },
};

const nameOf = (deed: string): string => deed.replaceAll(/[^a-z]+/g, '-');

describe('one worker held by another call, one for the deed', () => {
  test.each(Object.entries(deeds).map(([deed, more]) => ({ deed, ...more })))(
    'a handler that $deed',
    async ({ deed, body, contract = '', error, restart }) => {
      const gateway = await startResident({ [nameOf(deed)]: [body, contract], hold: WAIT, clean: CLEAN, pid: PID });
      await allIdle(gateway);
      const [before, all] = [await gateway.invoke('clean', null), residentPids(gateway)];
      const held = new Held(openFolder(), 'other');
      const other = gateway.invoke('hold', held.file);
      const otherPid = await held.started();
      const [pid = 0] = all.filter((each) => each !== otherPid);

      const answer = await ask(gateway, nameOf(deed));
      expect(answer.text).not.toContain('SECRET');
      if (error === undefined) expect([answer.status, answer.body]).toEqual([200, 1]);
      else expect([answer.status, answer.body]).toEqual([error.status, expect.objectContaining(error)]);

      // The next calls are clean, the first as much as any other, while the other worker is still held.
      for (let n = 0; n < 3; n += 1) expect(await gateway.invoke('clean', null)).toEqual(before);
      const after = await gateway.invoke('pid', null);
      if (restart === undefined) {
        expect(after).toBe(pid);
        expect(restartsOf(gateway)).toEqual({});
      } else {
        expect(after).not.toBe(pid);
        expect(restartsOf(gateway)).toEqual({ [restart]: 1 });
        await until('the old worker is gone', () => !isAlive(pid));
      }
      expect(isAlive(otherPid)).toBe(true);
      held.go();
      expect(await other).toBe(1);
      await allIdle(gateway);
      expect(residentPids(gateway)).toContain(otherPid);
    },
  );
});

describe('with calls behind on the same worker', () => {
  const CONTRACT = 'timeoutMs: 120_000, queueTimeoutMs: 120_000, retry: { attempts: 1 }';
  const OTHERS = ['a', 'b', 'c'];
  const inLine = async () => {
    const gateway = await startResident({ work: [WORK, CONTRACT] }, { resident: { workers: 1 } });
    const calls = new Calls(gateway);
    await calls.teach();
    return { gateway, calls };
  };

  test.each([
    ['exit', 'function-no-result', 'exit'],
    ['memory', 'function-out-of-memory', 'out-of-memory'],
  ] as const)('%s: those behind run once, on the next worker', async (deed, code, reason) => {
    const { gateway, calls } = await inLine();
    const { first, others } = await calls.inLine(deed, OTHERS);
    expect(await first).toEqual({ code, executed: 'yes' });
    expect(await Promise.all(others)).toEqual(OTHERS.map((id) => ({ code: 'ok', value: id })));
    expect(calls.begun).toEqual(['first', ...OTHERS]);
    expect(restartsOf(gateway)).toEqual({ [reason]: 1 });
  });

  test('SIGKILL from outside: the running call is told, those behind run once', async () => {
    const { gateway, calls } = await inLine();
    const { first, others, pid } = await calls.inLine('hold', OTHERS);
    kill(pid, 'SIGKILL');
    expect(await first).toEqual({ code: 'worker-crashed', executed: 'unknown' });
    expect(await Promise.all(others)).toEqual(OTHERS.map((id) => ({ code: 'ok', value: id })));
    expect(calls.begun).toEqual(['first', ...OTHERS]);
    expect(calls.ended).toEqual(OTHERS);
    expect(restartsOf(gateway)).toEqual({ crashed: 1 });
  });

  test('a caller that leaves while its call stands behind: it never runs', async () => {
    const { gateway, calls } = await inLine();
    const leaving = new AbortController();
    const [first, left, last] = atOnce(() => [
      toldOf(calls.call('first', 'hold')),
      toldOf(calls.call('left', 'quick', 'work', { signal: leaving.signal })),
      toldOf(calls.call('last', 'quick')),
    ]);
    await calls.begins('first');
    leaving.abort();
    expect(await left).toMatchObject({ code: 'client-closed' });
    calls.go('first');
    expect([await first, await last]).toEqual([
      { code: 'ok', value: 'first' },
      { code: 'ok', value: 'last' },
    ]);
    expect(calls.begun).toEqual(['first', 'last']);
    await until('all places are free', () => residentOf(gateway).backends[0]?.taken === 0);
  });
});

test('an idempotent function whose worker is killed runs again on another', async () => {
  const gateway = await startResident({ wait: [WAIT, 'idempotent: true'] });
  const held = new Held(openFolder(), 'a');
  const call = gateway.invoke('wait', held.file);
  kill(await held.started(1), 'SIGKILL');
  await held.started(2);
  held.go();
  expect(await call).toBe(2);
});

test('a child that a handler leaves running neither answers nor keeps the worker from its next call', async () => {
  const folder = openFolder();
  const child = `$pid = pcntl_fork(); if ($pid === 0) { while (!is_file($input . '.go')) { usleep(1000); clearstatcache(); } touch($input . '.done'); return 'child'; } return $pid;`;
  const gateway = await startResident({ child, pid: PID }, { resident: { workers: 1 } });
  const file = join(folder, 'child');
  const childPid = (await gateway.invoke('child', file)) as number;
  const pid = await gateway.invoke('pid', null);
  expect(isAlive(childPid)).toBe(true);
  const { writeFileSync } = await import('node:fs');
  writeFileSync(`${file}.go`, '');
  await until('the child has ended', () => existsSync(`${file}.done`) && !isAlive(childPid));
  expect(await gateway.invoke('pid', null)).toBe(pid);
  expect(restartsOf(gateway)).toEqual({});
});

test('state that a handler leaves is named in its trace, in GET /admin/pools and in the log', async () => {
  const gateway: Gateway = await startResident({ leaks: "$GLOBALS['left'][] = $input; chdir('/'); return 1;" });
  const kinds = (): string[] => residentOf(gateway).functions.flatMap(({ leaks }) => leaks.map(({ kind }) => kind));
  await until('both are named', async () => {
    const response = await post(gateway, 'leaks', 1);
    expect(await response.json()).toBe(1);
    return kinds().includes('global') && kinds().includes('working-directory');
  });
  const leaks = residentOf(gateway).functions.find(({ name }) => name === 'leaks')?.leaks ?? [];
  expect(leaks).toContainEqual(expect.objectContaining({ kind: 'global', name: expect.stringContaining('left') }));
  const events = gateway.tracer.ring
    .list(100)
    .flatMap(({ traceId }) => gateway.tracer.ring.get(traceId))
    .flatMap(({ spans }) => spans.flatMap((span) => span.events));
  expect(JSON.stringify(events)).toMatch(/left/);
});

test('workers that die over and over leave the pool whole, and each call is told the truth', async () => {
  const runs = new Runs();
  const gateway = await startResident({ dies: runs.marking('posix_kill(getmypid(), 9); sleep(1);'), pid: PID });
  const codes = await Promise.all(
    Array.from({ length: 20 }, () => toldOf(gateway.invoke('dies', null)).then(({ code }) => code)),
  );
  expect(new Set(codes)).toEqual(new Set(['worker-crashed']));
  expect(runs.count).toBe(20);
  await allIdle(gateway);
  expect(restartsOf(gateway)).toEqual({ crashed: 20 });
  expect(await gateway.invoke('pid', null)).toBeGreaterThan(1);
});
