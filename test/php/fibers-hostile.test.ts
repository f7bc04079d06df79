/** Handlers that misbehave among many calls in one worker: a clear error, the others get theirs or the truth, the pool recovers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Ending } from '../../gateway/pool/recycling.ts';
import { ask } from '../support/call.ts';
import { openFolder } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { residentOf, residentPids, restartsOf, startConcurrent } from '../support/resident-pool.ts';
import { until } from '../support/until.ts';

interface Deed {
  readonly body: string;
  readonly contract?: string;
  /** None: it returns 1. */
  readonly error?: { readonly status: unknown; readonly code: unknown; readonly executed: unknown };
  /** Why its worker is replaced, and all that runs in it is lost; none: it stays. */
  readonly restart?: Ending;
}

const noResult = { status: 502, code: 'function-no-result', executed: 'yes' };
const crashed = { status: 502, code: 'worker-crashed', executed: 'unknown' };
const failed = { status: 500, code: 'function-error', executed: 'yes' };
const noMemory = { status: 500, code: 'function-out-of-memory', executed: 'yes' };
const late = { status: 504, code: 'function-timeout', executed: expect.stringMatching(/^(yes|unknown)$/) };

/** Whoever says it first: the gateway that it was late, or its worker what became of it. */
const lateOrFailed = { ...late, status: expect.any(Number), code: expect.stringMatching(/^function-(timeout|error)$/) };

const DEEDS: Readonly<Record<string, Deed>> = {
  'blocks for a while': { body: 'usleep(150_000); return 1;' },
  exits: { body: 'exit;', error: noResult, restart: 'exit' },
  'exits after a wait': { body: '$call->sleep(5); exit;', error: noResult, restart: 'exit' },
  'exits in a Fiber of its own': {
    body: '(new \\Fiber(fn () => exit))->start(); return 1;',
    error: noResult,
    restart: 'exit',
  },
  'dies in a destructor': {
    body: '$a = new class { public function __destruct() { exit; } }; $call->sleep(1); unset($a); return 1;',
    error: noResult,
    restart: 'exit',
  },
  'dies in a finally': {
    body: 'try { $call->sleep(1); throw new \\Exception("SECRET"); } finally { exit; }',
    error: noResult,
    restart: 'exit',
  },
  'dies in a reset hook': { body: '$call->onReset(fn () => exit); return 1;', error: noResult, restart: 'exit' },
  'is a fatal error': { body: "eval('class A {} class A {}'); return 1;", error: failed, restart: 'fatal-error' },
  'uses up memory': {
    body: '$call->sleep(1); return strlen(str_repeat("x", 1 << 40));',
    error: noMemory,
    restart: 'out-of-memory',
  },
  'uses up memory, bit by bit': {
    body: '$all = []; while (true) { $all[] = new \\ArrayObject([1]); }',
    error: noMemory,
    restart: 'out-of-memory',
  },
  'kills itself': { body: 'posix_kill(getmypid(), 9); sleep(1); return 1;', error: crashed, restart: 'crashed' },
  'throws from a finally': {
    body: 'try { $call->sleep(1); throw new \\Exception("SECRET"); } finally { throw new \\Exception("SECRET, too"); }',
    error: failed,
  },
  'throws from a finally when its time is up': {
    body: 'try { $call->sleep(600_000); } finally { throw new \\Exception("SECRET"); }',
    contract: 'timeoutMs: 150',
    error: lateOrFailed,
  },
  'swallows its deadline, and goes on waiting': {
    body: 'while (true) { try { $call->sleep(5); } catch (\\Throwable) { } }',
    contract: 'timeoutMs: 150',
    error: lateOrFailed,
  },
  'waits in a finally when its time is up': {
    body: 'try { $call->sleep(600_000); } finally { $call->sleep(600_000); }',
    contract: 'timeoutMs: 150',
    error: late,
  },
  'opens files without end': {
    body: '$all = []; for ($n = 0; $n < 3000; ++$n) { $all[] = fopen("/dev/null", "r"); } $call->sleep(5); return 1;',
  },
  'opens sockets without end, and waits for one': {
    body: `$all = [];
      for ($n = 0; $n < 1500; ++$n) { $all[] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); }
      try { $call->read($all[1499][0], 1, 20); return 0; } catch (\\Throwable $e) { return str_contains($e->getMessage(), '1,02') ? 1 : $e->getMessage(); }`,
  },
  'connects without end': {
    body: `$listening = stream_context_create(['socket' => ['backlog' => 511]]);
      $server = stream_socket_server('tcp://127.0.0.1:0', $code, $why, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, $listening);
      $all = [];
      try { for ($n = 0; $n < 300; ++$n) { $all[] = $call->connect('tcp://' . stream_socket_get_name($server, false), 100); } return 0; }
      catch (\\RuntimeException $e) { return str_contains($e->getMessage(), '256') ? 1 : $e->getMessage(); }`,
  },
  'waits in a Fiber of its own': {
    body: '$own = new \\Fiber(fn () => $call->sleep(1)); try { $own->start(); return 0; } catch (\\LogicException) { return 1; }',
  },
  'leaves Fibers of its own suspended': {
    body: '$own = new \\Fiber(function () { try { \\Fiber::suspend(); } finally { echo ""; } }); $own->start(); $call->sleep(1); return 1;',
  },
  'suspends the Fiber it runs in': { body: '\\Fiber::suspend(); return 1;', error: failed },
  'suspends it, and goes on when that throws': {
    body: 'try { \\Fiber::suspend(); return 0; } catch (\\LogicException) { } $call->sleep(1); return 1;',
  },
  forks: {
    body: '$pid = pcntl_fork(); if ($pid === 0) { return "child"; } pcntl_waitpid($pid, $status); $call->sleep(1); return 1;',
  },
  'forks a child that waits': {
    body: '$pid = pcntl_fork(); if ($pid === 0) { $call->sleep(1); return "child"; } pcntl_waitpid($pid, $status); return 1;',
  },
  'forks a child that throws': {
    body: '$pid = pcntl_fork(); if ($pid === 0) { throw new \\Exception("SECRET"); } pcntl_waitpid($pid, $status); return 1;',
  },
  prints: {
    body: 'echo "SECRET"; $call->sleep(1); return 1;',
    error: { status: 502, code: 'function-stray-output', executed: 'yes' },
  },
  'holds a buffer while it waits': {
    body: 'ob_start(); echo "SECRET"; $call->sleep(5); return strlen(ob_get_clean()) === 6 ? 1 : 0;',
  },
  'sets what belongs to the process, and waits': {
    body: 'chdir("/"); umask(0); date_default_timezone_set("Asia/Tokyo"); set_error_handler(fn () => true); ini_set("precision", "3"); error_reporting(0); $call->sleep(5); return 1;',
  },
};

/** What a call finds: nothing that another could have changed. */
const CLEAN =
  'return [getcwd() === "/", umask(), date_default_timezone_get(), set_error_handler(null) === null, ini_get("precision"), error_reporting(), ob_get_level(), \\Fiber::getCurrent() !== null];';
/** Until a file is there. */
const WAITS = 'while (!is_file($input)) { $call->sleep(1); clearstatcache(); } return getmypid();';
const nameOf = (deed: string): string => deed.replaceAll(/[^a-z]+/gi, '-').toLowerCase();

const codeOf = async (gateway: Gateway, name: string, input: unknown): Promise<unknown> => {
  const { status, body } = await ask(gateway, name, input);
  return status === 200 ? body : [body.code, body.executed];
};

describe('beside calls that wait in the same worker', () => {
  test.each(Object.entries(DEEDS).map(([deed, more]) => ({ deed, ...more })))(
    'a handler that $deed',
    async ({ deed, body, contract = '', error, restart }) => {
      const gateway = await startConcurrent({
        [nameOf(deed)]: [body, contract],
        waits: WAITS,
        repeats: [WAITS, 'idempotent: true'],
        clean: CLEAN,
      });
      const before = await gateway.invoke('clean', null);
      const [pid = 0] = residentPids(gateway);
      const gate = join(openFolder(), 'gate');
      const waiting = [1, 2].map(() => codeOf(gateway, 'waits', gate));
      const repeats = codeOf(gateway, 'repeats', gate);
      await until('they wait', () => residentOf(gateway).resident.workers[0]?.calls === 3);

      const answer = await ask(gateway, nameOf(deed));
      expect(answer.text).not.toContain('SECRET');
      if (error === undefined) expect([answer.status, answer.body]).toEqual([200, 1]);
      else expect([answer.status, answer.body]).toEqual([error.status, expect.objectContaining(error)]);

      for (let n = 0; n < 3; n += 1) expect(await gateway.invoke('clean', null)).toEqual(before);
      writeFileSync(gate, '');
      if (restart === undefined) {
        expect(await Promise.all([...waiting, repeats])).toEqual([pid, pid, pid]);
        expect([residentPids(gateway), restartsOf(gateway)]).toEqual([[pid], {}]);
      } else {
        expect(await Promise.all(waiting)).toEqual([
          ['worker-crashed', 'unknown'],
          ['worker-crashed', 'unknown'],
        ]);
        // It may run twice, and does, on the next worker.
        expect(await repeats).toEqual(residentPids(gateway)[0]);
        expect(restartsOf(gateway)).toEqual({ [restart]: 1 });
        await until('the old worker is gone', () => !isAlive(pid));
      }
      await until('no call runs', () => residentOf(gateway).resident.workers.every(({ calls }) => calls === 0));
    },
  );
});
