/** Exactly one call is ended: for a caller who left, at its time limit, by its id. Its handler may clean up. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder } from '../support/lifetime.ts';
import { backendOf, isAlive } from '../support/php-processes.ts';
import { Calls, toldOf, WORK } from '../support/pipelined.ts';
import { functionsProject } from '../support/project.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const CANCEL = "onDisconnect: 'cancel'";
const PID = 'return getmypid();';
/** Handler body in front of another: notes why it was ended in a file. */
const NOTES = `$call->onCancel(fn (string $why) => file_put_contents("$input.cleaned", "$why\\n", FILE_APPEND));`;

const cleaned = (file: string): string => {
  const path = `${file}.cleaned`;
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

const allFree = (gateway: Gateway): Promise<void> =>
  until('all slots are free', () => backendOf(gateway).taken === 0 && backendOf(gateway).late === 0);

const realKill = process.kill.bind(process);

/** Longer than the process lives, and than it is looked for. */
const busyUntilGone = (pid: number): void => {
  while (isAlive(pid));
  const untilMs = performance.now() + 100;
  while (performance.now() < untilMs);
};

eachEngine(({ startGateway, outlivesFatalErrors, takesBack }) => {
  const start = async (functions: Parameters<typeof functionsProject>[0], workers = 1): Promise<Gateway> =>
    await startGateway({ pools: { default: { workers } } }, { project: functionsProject(functions) });

  describe('a caller who leaves while its call runs', () => {
    test('ends it where the contract says so, and nobody else’s', async () => {
      const gateway = await start({ wait: [WAIT, CANCEL], pid: PID }, 2);
      const folder = openFolder();
      const [left, stays] = [new Held(folder, 'left'), new Held(folder, 'stays')];
      const leaving = new AbortController();
      const told = toldOf(gateway.invoke('wait', left.file, { signal: leaving.signal }));
      const good = gateway.invoke('wait', stays.file);
      const [pid, otherPid] = [await left.started(), await stays.started()];
      leaving.abort();
      expect(await told).toEqual({ code: 'client-closed', executed: 'unknown' });
      await until('its worker is gone', () => !isAlive(pid));
      await until('its slot is free', () => backendOf(gateway).taken === 1);
      stays.go();
      expect(await good).toBe(1);
      expect(isAlive(otherPid)).toBe(true);
      expect(gateway.calls(10)).toEqual([]);
    });

    test('leaves it to its end otherwise', async () => {
      const gateway = await start({ wait: [WAIT, "idempotent: true, onDisconnect: 'finish'"] });
      const held = new Held(openFolder(), 'a');
      const leaving = new AbortController();
      const call = gateway.invoke('wait', held.file, { signal: leaving.signal });
      await held.started();
      leaving.abort();
      held.go();
      expect(await call).toBe(1);
    });
  });

  describe('an operator cancels by id', () => {
    test('a call that runs: it is ended whatever its contract says of callers who leave', async () => {
      const gateway = await start({ wait: WAIT, pid: PID });
      const held = new Held(openFolder(), 'a');
      const told = toldOf(gateway.invoke('wait', held.file));
      const pid = await held.started();
      const [call] = gateway.calls(10);
      expect(call).toMatchObject({ function: 'wait', pool: 'default', phase: 'running', attempt: 1, pid });
      expect(gateway.cancel(call?.id ?? '')).toBe('running');
      expect(await told).toEqual({ code: 'cancelled', executed: 'unknown' });
      await until('its worker is gone', () => !isAlive(pid));
      await allFree(gateway);
      expect(await gateway.invoke('pid', null)).not.toBe(pid);
      expect(gateway.cancel(call?.id ?? '')).toBeUndefined();
    });

    test('a call that waits: PHP never sees it', async () => {
      const gateway = await start({ wait: WAIT, mark: "touch($input); return 'ran';" });
      const folder = openFolder();
      const held = new Held(folder, 'a');
      const first = gateway.invoke('wait', held.file);
      await held.started();
      const told = toldOf(gateway.invoke('mark', join(folder, 'ran')));
      await until('it waits', () => gateway.calls(10).length === 2);
      const [, waits] = gateway.calls(10);
      expect(waits).toMatchObject({ function: 'mark', phase: 'queued', attempt: 0, pid: undefined });
      expect(gateway.cancel(waits?.id ?? '')).toBe('queued');
      expect(await told).toEqual({ code: 'cancelled', executed: 'no' });
      held.go();
      await first;
      await allFree(gateway);
      expect(existsSync(join(folder, 'ran'))).toBe(false);
    });
  });

  test('an operator cancels a call that pauses before its next attempt: it hears at once', async () => {
    const dies = "file_put_contents($input, 'x', FILE_APPEND); posix_kill(posix_getpid(), 9); return 1;";
    const retry = 'idempotent: true, timeoutMs: 60_000, retry: { attempts: 2, baseMs: 60_000, maxMs: 60_000 }';
    vi.spyOn(Math, 'random').mockReturnValue(0.99);
    onTestFinished(() => void vi.restoreAllMocks());
    const gateway = await start({ dies: [dies, retry] });
    const file = join(openFolder(), 'runs');
    const told = toldOf(gateway.invoke('dies', file));
    await until('it pauses', () => {
      const [call] = gateway.calls(1);
      return call?.attempt === 1 && call.phase === 'queued';
    });
    gateway.cancel(gateway.calls(1)[0]?.id ?? '');
    // Of a worker that answered its ping first it is known that it ran.
    expect(await told).toEqual({ code: 'cancelled', executed: expect.stringMatching(/^(yes|unknown)$/) });
    expect(readFileSync(file, 'utf8')).toBe('x');
  });

  describe('of calls in line on one worker', () => {
    const idOf = (gateway: Gateway, at: number): string => gateway.calls(10)[at]?.id ?? '';

    test('the one behind is cancelled: the one before it and the one behind it answer', async () => {
      const gateway = await start({ work: WORK });
      const calls = new Calls(gateway);
      await calls.teach();
      const { first, others, pid } = await calls.inLine('hold', ['second', 'third']);
      expect(gateway.cancel(idOf(gateway, 1))).toBe('running');
      expect(await others[0]).toEqual({ code: 'cancelled', executed: 'unknown' });
      calls.go('first');
      expect(await first).toMatchObject({ code: 'ok' });
      expect(await others[1]).toMatchObject({ code: 'ok' });
      await allFree(gateway);
      expect(calls.ended.filter((id) => id !== 'second')).toEqual(['first', 'third']);
      // php-fpm cannot take it back: it may run, as short as it is, or be ended in its turn.
      if (takesBack) {
        expect(calls.begun).toEqual(['first', 'third']);
        expect(isAlive(pid)).toBe(true);
      }
    });

    test('the one that runs is cancelled: those behind it move to another worker and run once', async () => {
      const gateway = await start({ work: WORK });
      const calls = new Calls(gateway);
      await calls.teach();
      const { first, others, pid } = await calls.inLine('hold', ['second', 'third']);
      expect(gateway.cancel(idOf(gateway, 0))).toBe('running');
      expect(await first).toEqual({ code: 'cancelled', executed: 'unknown' });
      expect(await Promise.all(others)).toMatchObject([{ code: 'ok' }, { code: 'ok' }]);
      expect(calls.begun.toSorted()).toEqual(['first', 'second', 'third']);
      await until('its worker is gone', () => !isAlive(pid));
    });

    test('the one that runs cleans up and ends: those behind it run once', async () => {
      const gateway = await start({ work: `$call->onCancel(static fn () => null); ${WORK}` });
      const calls = new Calls(gateway);
      await calls.teach();
      const { first, others } = await calls.inLine('hold', ['second', 'third']);
      expect(gateway.cancel(idOf(gateway, 0))).toBe('running');
      expect(await first).toEqual({ code: 'cancelled', executed: 'unknown' });
      expect(await Promise.all(others)).toMatchObject([{ code: 'ok' }, { code: 'ok' }]);
      expect(calls.begun.toSorted()).toEqual(['first', 'second', 'third']);
      await allFree(gateway);
    });

    test('a gateway that is busy when the worker ends still reads what that proves', async () => {
      const gateway = await start({ work: WORK });
      const calls = new Calls(gateway);
      await calls.teach();
      const { first, others, pid } = await calls.inLine('hold', ['second', 'third']);
      const kill = vi.spyOn(process, 'kill').mockImplementation((of, name) => {
        const done = realKill(of, name);
        // It has been held, and is let go behind its signal: only then can it end.
        if (of === pid && name === 'SIGCONT') busyUntilGone(pid);
        return done;
      });
      onTestFinished(() => kill.mockRestore());
      expect(gateway.cancel(idOf(gateway, 0))).toBe('running');
      expect(await first).toEqual({ code: 'cancelled', executed: 'unknown' });
      expect(await Promise.all(others)).toMatchObject([{ code: 'ok' }, { code: 'ok' }]);
      expect(calls.begun.toSorted()).toEqual(['first', 'second', 'third']);
    });
  });

  describe('a handler that asked for it cleans up before it is ended', () => {
    test('at its time limit, once, and its caller hears of the limit', async () => {
      const gateway = await start({ stuck: [`${NOTES} ${WAIT}`, 'timeoutMs: 2000'], pid: PID });
      const held = new Held(openFolder(), 'a');
      const told = await toldOf(gateway.invoke('stuck', held.file));
      expect(told).toEqual({ code: 'function-timeout', executed: 'unknown' });
      await until('it has cleaned up', () => cleaned(held.file) !== '');
      await allFree(gateway);
      expect(cleaned(held.file)).toBe('timeout\n');
      const [pid = 0] = held.pids;
      // php-fpm's worker has ended its call by itself, and serves on.
      if (outlivesFatalErrors) expect(await gateway.invoke('pid', null)).toBe(pid);
      else await until('its process has ended', () => !isAlive(pid));
    });

    test('when its caller leaves, and when an operator cancels it', async () => {
      const gateway = await start({ wait: [`${NOTES} ${WAIT}`, CANCEL] }, 2);
      const folder = openFolder();
      const [left, ended] = [new Held(folder, 'left'), new Held(folder, 'ended')];
      const leaving = new AbortController();
      const told = [
        toldOf(gateway.invoke('wait', left.file, { signal: leaving.signal })),
        toldOf(gateway.invoke('wait', ended.file)),
      ];
      await left.started();
      await ended.started();
      leaving.abort();
      gateway.cancel(gateway.calls(10)[1]?.id ?? '');
      expect(await Promise.all(told)).toMatchObject([{ code: 'client-closed' }, { code: 'cancelled' }]);
      await allFree(gateway);
      expect([left, ended].map(({ file }) => cleaned(file))).toEqual(['cancelled\n', 'cancelled\n']);
    });

    test('not when it ends by itself, and a later call of its worker that asks for nothing is ended without', async () => {
      const gateway = await start({ asks: `${NOTES} return getmypid();`, stuck: [WAIT, 'timeoutMs: 2000'] });
      const folder = openFolder();
      const pid = await gateway.invoke('asks', join(folder, 'a'));
      const held = new Held(folder, 'b');
      expect(await toldOf(gateway.invoke('stuck', held.file))).toMatchObject({ code: 'function-timeout' });
      expect(held.pids).toEqual([pid]);
      await until('its worker is gone', () => !isAlive(Number(pid)));
      expect([cleaned(join(folder, 'a')), cleaned(held.file)]).toEqual(['', '']);
    });

    test('and its worker serves on with nothing left of that: a later call may compute for as long as it likes', async () => {
      // By PHP's default the signal starts a clock of 2 s of CPU, which outlives its call.
      const burn = `$cpu = fn () => getrusage()['ru_utime.tv_sec']; $end = $cpu() + 4; while ($cpu() < $end); return getmypid();`;
      const gateway = await start({
        stuck: [`${NOTES} ${WAIT}`, 'timeoutMs: 2000'],
        burn: [burn, 'timeoutMs: 600_000'],
      });
      const held = new Held(openFolder(), 'a');
      expect(await toldOf(gateway.invoke('stuck', held.file))).toMatchObject({ code: 'function-timeout' });
      await allFree(gateway);
      expect(cleaned(held.file)).toBe('timeout\n');
      const pid = await gateway.invoke('burn', null);
      if (outlivesFatalErrors) expect(held.pids).toEqual([pid]);
    });

    test('one that does not end in its grace time is ended all the same', async () => {
      const endless = `$call->onCancel(function () use ($input) { touch("$input.cleaned"); while (true) usleep(1000); });`;
      const gateway = await start({ stuck: [`${endless} ${WAIT}`, 'timeoutMs: 2000'] });
      const held = new Held(openFolder(), 'a');
      expect(await toldOf(gateway.invoke('stuck', held.file))).toMatchObject({ code: 'function-timeout' });
      const [pid = 0] = held.pids;
      await until('its worker is gone', () => !isAlive(pid));
      await allFree(gateway);
      expect(existsSync(`${held.file}.cleaned`)).toBe(true);
    });

    test('what a callback asks for is done behind the others', async () => {
      const asks = `$call->onCancel(function () use ($call, $input) { ${NOTES.replace('$why\\n', 'more\\n')} });`;
      const gateway = await start({ wait: [`${asks} ${NOTES} ${WAIT}`, CANCEL] });
      const held = new Held(openFolder(), 'a');
      const told = toldOf(gateway.invoke('wait', held.file));
      await held.started();
      gateway.cancel(gateway.calls(1)[0]?.id ?? '');
      expect(await told).toMatchObject({ code: 'cancelled' });
      await allFree(gateway);
      expect(cleaned(held.file)).toBe('cancelled\nmore\n');
    });

    test('a callback that throws does not keep the next from running', async () => {
      const throws = "$call->onCancel(fn () => throw new \\RuntimeException('on purpose'));";
      const gateway = await start({ wait: [`${throws} ${NOTES} ${WAIT}`, CANCEL] });
      const held = new Held(openFolder(), 'a');
      const told = toldOf(gateway.invoke('wait', held.file));
      await held.started();
      gateway.cancel(gateway.calls(1)[0]?.id ?? '');
      expect(await told).toMatchObject({ code: 'cancelled' });
      await allFree(gateway);
      expect(cleaned(held.file)).toBe('cancelled\n');
    });
  });
});
