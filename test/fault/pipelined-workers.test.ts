/** Calls in line on one worker of ours, and every way in which it can end: each runs once and is told the truth. */
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { eachEngine } from '../support/engines.ts';
import { startGateway } from '../support/gateway.ts';
import { backendOf, isAlive, kill, masterOf } from '../support/php-processes.ts';
import { atOnce, Calls, toldOf, WORK } from '../support/pipelined.ts';
import { type Functions, functionsProject } from '../support/project.ts';
import { until } from '../support/until.ts';

/** Nothing here is in a hurry: the machine may be slow. */
const CONTRACT = 'timeoutMs: 120_000, queueTimeoutMs: 120_000, retry: { attempts: 1 }';
const PATIENT = { default: { workers: 1, connectTimeoutMs: 60_000 } };

interface Started {
  readonly gateway: Gateway;
  readonly calls: Calls;
}

/** One worker and one function, which is known to be short. */
const starter =
  (startOn: typeof startGateway) =>
  async (contract = CONTRACT, more: Functions = {}, config = {}): Promise<Started> => {
    const project = functionsProject({ work: [WORK, contract], ...more });
    const gateway = await startOn({ pools: PATIENT, ...config }, { project });
    const calls = new Calls(gateway);
    await calls.teach();
    return { gateway, calls };
  };

const OTHERS = ['a', 'b', 'c'];
const allWell = OTHERS.map((id) => ({ code: 'ok', value: id }));

const allFree = async (gateway: Gateway): Promise<void> =>
  await until('all places are free', () => backendOf(gateway).taken === 0 && backendOf(gateway).behind === 0);

eachEngine(({ startGateway, pings, outlivesFatalErrors, takesBack, orphansServe }) => {
  const start = starter(startGateway);
  const begun = pings ? 'yes' : 'unknown';

  test.each(['SIGKILL', 'SIGTERM', 'SIGSEGV'] as const)(
    '%s to the worker while the first runs: it is told so, those behind move and run once',
    async (signal) => {
      const { gateway, calls } = await start();
      const { first, others, pid } = await calls.inLine('hold', OTHERS);
      expect(backendOf(gateway)).toMatchObject({ taken: 1, behind: 3 });
      kill(pid, signal);
      expect(await first).toEqual({ code: 'worker-crashed', executed: begun });
      expect(await Promise.all(others)).toEqual(allWell);
      expect(calls.begun).toEqual(['first', ...OTHERS]);
      expect(calls.ended).toEqual(OTHERS);
      await allFree(gateway);
    },
  );

  test('exit in the first: its worker lives on if its engine says so, and those behind run once', async () => {
    const { gateway, calls } = await start();
    const { first, others, pid } = await calls.inLine('exit', OTHERS);
    expect(await first).toMatchObject({ code: 'function-no-result', executed: 'yes' });
    expect(await Promise.all(others)).toEqual(allWell);
    expect(calls.begun).toEqual(['first', ...OTHERS]);
    if (outlivesFatalErrors) expect(isAlive(pid)).toBe(true);
    else await until('the worker has ended', () => !isAlive(pid));
    await allFree(gateway);
  });

  test('out of memory in the first: its worker lives on if its engine says so, and those behind run once', async () => {
    const { gateway, calls } = await start();
    const { first, others, pid } = await calls.inLine('memory', OTHERS);
    expect(await first).toMatchObject({ code: 'function-out-of-memory', executed: 'yes' });
    expect(await Promise.all(others)).toEqual(allWell);
    expect(calls.begun).toEqual(['first', ...OTHERS]);
    if (outlivesFatalErrors) expect(isAlive(pid)).toBe(true);
    else await until('the worker has ended', () => !isAlive(pid));
    await allFree(gateway);
  });

  test('the first passes its deadline: its worker is ended, those behind move and run once', async () => {
    const { gateway, calls } = await start();
    const told = atOnce(() => [
      toldOf(calls.call('first', 'hold', 'work', { timeoutMs: 2000 })),
      ...OTHERS.map((id) => toldOf(calls.call(id, 'quick'))),
    ]);
    expect(backendOf(gateway)).toMatchObject({ taken: 1, behind: 3 });
    const pid = await calls.begins('first');
    const [first, ...others] = await Promise.all(told);
    expect(first).toEqual({ code: 'function-timeout', executed: 'unknown' });
    expect(others).toEqual(allWell);
    expect(calls.begun).toEqual(['first', ...OTHERS]);
    await until('the worker has ended', () => !isAlive(pid));
    await allFree(gateway);
  });

  test('the second passes its deadline while the first runs: it is told so, keeps its place until it can be taken back, and nobody else suffers', async () => {
    const { gateway, calls } = await start();
    const [first, second, third] = atOnce(() => [
      toldOf(calls.call('first', 'hold')),
      toldOf(calls.call('second', 'quick', 'work', { timeoutMs: 1000 })),
      toldOf(calls.call('third', 'quick')),
    ]);
    const pid = await calls.begins('first');
    expect(await second).toEqual({ code: 'deadline-exceeded', executed: 'unknown' });
    expect(backendOf(gateway)).toMatchObject({ taken: 1, behind: 2, late: 1 });
    calls.go('first');
    expect(await first).toEqual({ code: 'ok', value: 'first' });
    expect(await third).toEqual({ code: 'ok', value: 'third' });
    expect(calls.begun).toEqual(takesBack ? ['first', 'third'] : ['first', 'second', 'third']);
    expect(isAlive(pid)).toBe(true);
    await allFree(gateway);
    expect(backendOf(gateway).late).toBe(0);
  });

  test('a call is moved once and then has a worker of its own', async () => {
    const { gateway, calls } = await start();
    const told = atOnce(() => ['first', 'a', 'b'].map((id) => toldOf(calls.call(id, 'hold'))));
    const [first, a, b] = told;
    kill(await calls.begins('first'), 'SIGKILL');
    expect(await first).toEqual({ code: 'worker-crashed', executed: begun });
    // Short as they are, they do not share a worker again.
    const pid = await calls.begins('a');
    expect(backendOf(gateway)).toMatchObject({ taken: 1, behind: 0 });
    expect(gateway.pools()[0]?.functions).toMatchObject([{ waiting: 1 }]);
    kill(pid, 'SIGKILL');
    expect(await a).toEqual({ code: 'worker-crashed', executed: begun });
    await calls.begins('b');
    calls.go('b');
    expect(await b).toEqual({ code: 'ok', value: 'b' });
    expect(calls.begun).toEqual(['first', 'a', 'b']);
  });

  test('a move is told in the trace and is no retry', async () => {
    const { gateway, calls } = await start();
    const { first, others, pid } = await calls.inLine('hold', ['a']);
    kill(pid, 'SIGKILL');
    await first;
    await Promise.all(others);
    const records = gateway.tracer.ring.list(100).flatMap(({ traceId }) => gateway.tracer.ring.get(traceId));
    const events = records.flatMap(({ spans }) => spans.flatMap((span) => span.events.map(({ name }) => name)));
    expect(events.sort()).toEqual(['error', 'moved']);
  });

  test('the master is killed: the orphan serves those in line, each once', async () => {
    const { gateway, calls } = await start();
    const { first, others, pid } = await calls.inLine('hold', OTHERS);
    const master = masterOf(gateway);
    kill(master, 'SIGKILL');
    await until('the death is seen', () => masterOf(gateway) !== master);
    calls.go('first');
    expect(await Promise.all([first, ...others])).toEqual([{ code: 'ok', value: 'first' }, ...allWell]);
    expect(calls.begun).toEqual(['first', ...OTHERS]);
    // Of php-fpm, it would serve old code for ever.
    if (!orphansServe) await until('the orphan has ended', () => !isAlive(pid));
    else expect(isAlive(pid)).toBe(true);
  });

  test('close(): all that stand in line are answered', async () => {
    const { gateway, calls } = await start();
    const { first, others } = await calls.inLine('hold', OTHERS);
    const closed = gateway.close();
    expect(await toldOf(calls.call('late', 'quick'))).toEqual({ code: 'shutting-down', executed: 'no' });
    calls.go('first');
    expect(await Promise.all([first, ...others])).toEqual([{ code: 'ok', value: 'first' }, ...allWell]);
    await closed;
    expect(calls.begun).toEqual(['first', ...OTHERS]);
  });

  test('close(), and the worker is killed meanwhile: those behind run once or know that they did not', async () => {
    const { gateway, calls } = await start();
    const { first, others, pid } = await calls.inLine('hold', OTHERS);
    const closed = gateway.close();
    kill(pid, 'SIGKILL');
    expect(await first).toEqual({ code: 'worker-crashed', executed: begun });
    for (const [at, told] of (await Promise.all(others)).entries()) {
      const runs = calls.begun.filter((id) => id === OTHERS[at]).length;
      if (runs === 1) expect(told).toEqual(allWell[at]);
      else expect([runs, told]).toEqual([0, { code: 'shutting-down', executed: 'no' }]);
    }
    await closed;
  });

  test('destroy(): all that stand in line are told, and that nothing is known of those behind', async () => {
    const { gateway, calls } = await start();
    const { first, others } = await calls.inLine('hold', OTHERS);
    await gateway.destroy();
    expect(['yes', 'unknown']).toContain((await first).executed);
    expect(await Promise.all(others)).toEqual(OTHERS.map(() => ({ code: 'worker-crashed', executed: 'unknown' })));
    expect(calls.begun).toEqual(['first']);
  });

  test('an answer that is too large takes nobody with it who would be told wrong of it', async () => {
    const { gateway, calls } = await start(CONTRACT, {}, { limits: { responseMaxBytes: 1024 } });
    const { first, others } = await calls.inLine('large', OTHERS);
    expect(await first).toMatchObject({ code: 'response-too-large' });
    for (const [at, told] of (await Promise.all(others)).entries()) {
      const times = calls.begun.filter((id) => id === OTHERS[at]).length;
      expect(times).toBeLessThanOrEqual(1);
      if (told.code === 'ok') expect(times).toBe(1);
      else expect(told).toEqual({ code: 'worker-crashed', executed: 'unknown' });
    }
    await allFree(gateway);
  });
});

/** `fastcgi_finish_request()`, and signals that its master knows. */
describe('php-fpm alone', () => {
  const start = starter(startGateway);

  test('fastcgi_finish_request() in the first: those behind wait for it, and the function stands in no line again', async () => {
    const { gateway, calls } = await start();
    const { first, others, pid } = await calls.inLine('finish', OTHERS);
    expect(await first).toMatchObject({ code: 'function-no-result', executed: 'yes' });
    expect(calls.begun).toEqual(['first']);
    expect(backendOf(gateway)).toMatchObject({ taken: 1, behind: 2 });
    calls.go('first');
    expect(await Promise.all(others)).toEqual(allWell);
    expect(calls.begun).toEqual(['first', ...OTHERS]);
    expect(calls.ended).toEqual(['first', ...OTHERS]);
    expect(isAlive(pid)).toBe(true);
    await allFree(gateway);

    expect(gateway.pools()[0]?.functions).toMatchObject([{ name: 'work', depth: 1 }]);
    const more = atOnce(() => [calls.call('d', 'quick'), calls.call('e', 'quick')]);
    expect(backendOf(gateway)).toMatchObject({ taken: 1, behind: 0 });
    expect(await Promise.all(more)).toEqual(['d', 'e']);
  });

  test('its worker is killed while it works on behind its answer: those behind move and run once', async () => {
    const { gateway, calls } = await start();
    const { first, others, pid } = await calls.inLine('finish', OTHERS);
    expect(await first).toMatchObject({ code: 'function-no-result', executed: 'yes' });
    kill(pid, 'SIGKILL');
    expect(await Promise.all(others)).toEqual(allWell);
    expect(calls.begun).toEqual(['first', ...OTHERS]);
    expect(calls.ended).toEqual(OTHERS);
    await allFree(gateway);
  });

  test('nobody is put behind a worker that works on behind its answer', async () => {
    const { gateway, calls } = await start(CONTRACT, { other: [WORK, CONTRACT] });
    await calls.teach('other');
    expect(await toldOf(calls.call('first', 'finish'))).toMatchObject({ code: 'function-no-result' });
    const pid = await calls.begins('first');
    const other = calls.call('other', 'quick', 'other');
    expect(backendOf(gateway)).toMatchObject({ taken: 1, behind: 0 });
    calls.go('first');
    expect(await other).toBe('other');
    expect(calls.ended).toEqual(['first', 'other']);
    expect(isAlive(pid)).toBe(true);
  });

  test('the master reloads: the first is answered, those behind run once, there or elsewhere', async () => {
    const { gateway, calls } = await start();
    const { first, others } = await calls.inLine('hold', OTHERS);
    kill(masterOf(gateway), 'SIGUSR2');
    calls.go('first');
    expect(await Promise.all([first, ...others])).toEqual([{ code: 'ok', value: 'first' }, ...allWell]);
    expect([...calls.ended].sort()).toEqual([...OTHERS, 'first']);
    expect([...calls.begun].sort()).toEqual([...OTHERS, 'first']);
  });

  test('somebody else stops the master: the first is answered, those behind run once or know that they did not', async () => {
    const { gateway, calls } = await start();
    const { first, others } = await calls.inLine('hold', OTHERS);
    kill(masterOf(gateway), 'SIGQUIT');
    calls.go('first');
    expect(await first).toEqual({ code: 'ok', value: 'first' });
    for (const [at, told] of (await Promise.all(others)).entries()) {
      const runs = calls.begun.filter((id) => id === OTHERS[at]).length;
      if (runs === 1) expect(told).toEqual(allWell[at]);
      else expect([runs, told]).toEqual([0, { code: 'pool-unavailable', executed: 'no' }]);
    }
  });
});
