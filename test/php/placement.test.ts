/** Which calls run at once, which stand behind others, and which wait: real php-fpm, kinds of work it has measured. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { eachEngine } from '../support/engines.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { backendOf, kill } from '../support/php-processes.ts';
import { atOnce, Calls, toldOf, WORK } from '../support/pipelined.ts';
import { type Functions, functionsProject } from '../support/project.ts';
import { rawFpm, runtime } from '../support/raw-fpm.ts';
import { streamHandler } from '../support/streams.ts';
import { until } from '../support/until.ts';

const CONTRACT = 'timeoutMs: 120_000, queueTimeoutMs: 120_000, retry: { attempts: 1 }';
/** As many as may compute at once, and that many workers more. */
const PLACES = availableParallelism() + 1;
const WORKERS = PLACES + 3;

const starter =
  (startOn: typeof startGateway) =>
  async (functions: Functions, config: GatewayConfig = {}): Promise<Gateway> => {
    const pools = { default: { workers: WORKERS, connectTimeoutMs: 60_000 } };
    return await startOn({ pools, ...config }, { project: functionsProject(functions) });
  };

const functionOf = (gateway: Gateway, name: string) => {
  const found = gateway.pools().flatMap(({ functions }) => functions.filter((fn) => fn.name === name))[0];
  if (found === undefined) throw new Error(`Nothing is known of ${name}.`);
  return found;
};

const takenOf = (gateway: Gateway, pool = 'default'): number =>
  gateway.pools().find(({ name }) => name === pool)?.backends[0]?.taken ?? -1;

const idle = async (gateway: Gateway): Promise<void> =>
  await until('all workers are free', () => gateway.pools().every(({ name }) => takenOf(gateway, name) === 0));

/** Work until a file is there; without one, for a moment. It notes its pid beside the file. */
const working = (pause: string): readonly [string, string] => [
  `if ($input === null) { $end = hrtime(true) + 5_000_000; while (hrtime(true) < $end) { ${pause} } return 0; }
   file_put_contents("$input.pids", getmypid() . "\\n", FILE_APPEND | LOCK_EX);
   while (!is_file($input)) { clearstatcache(); ${pause} }
   return 1;`,
  CONTRACT,
];
const COMPUTES = working('');
const WAITS = working('usleep(2000);');

/** What calls wait for, and their pids meanwhile. */
class Signal {
  readonly file = join(openFolder(), 'go');

  get pids(): number[] {
    const file = `${this.file}.pids`;
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number) : [];
  }

  async begun(count: number): Promise<number[]> {
    await until(`${count} calls run`, () => this.pids.length >= count);
    return this.pids;
  }

  give(): void {
    writeFileSync(this.file, '');
  }
}

const teach = async (gateway: Gateway, name: string): Promise<void> => {
  for (let n = 0; n < 4; n += 1) await gateway.invoke(name, null);
  await idle(gateway);
};

const send = (gateway: Gateway, name: string, signal: Signal, count: number) =>
  Array.from({ length: count }, () => toldOf(gateway.invoke(name, signal.file)));

const OK = { code: 'ok', value: 1 };

eachEngine(({ name: engine, startGateway, pings }) => {
  const start = starter(startGateway);

  describe('calls that compute', () => {
    test('run on the cores and one more, though more workers are free', async () => {
      const gateway = await start({ computes: COMPUTES });
      await teach(gateway, 'computes');
      expect(functionOf(gateway, 'computes').cpuShare).toBe(1);
      const signal = new Signal();
      const calls = send(gateway, 'computes', signal, WORKERS + 2);
      await signal.begun(PLACES);
      expect(takenOf(gateway)).toBe(PLACES);
      expect(functionOf(gateway, 'computes')).toMatchObject({
        running: PLACES,
        waiting: WORKERS + 2 - PLACES,
        waitsFor: expect.stringMatching(/^CPU/),
      });
      signal.give();
      expect(await Promise.all(calls)).toEqual(calls.map(() => OK));
      await idle(gateway);
    });

    test('hold up no call that waits: it passes them in the queue', async () => {
      const gateway = await start({ computes: COMPUTES, waits: WAITS, other: 'return 7;' });
      await teach(gateway, 'computes');
      const signal = new Signal();
      const calls = send(gateway, 'computes', signal, WORKERS);
      await signal.begun(PLACES);
      expect(functionOf(gateway, 'computes').waiting).toBe(WORKERS - PLACES);
      expect(await gateway.invoke('other', null)).toBe(7);
      expect(await gateway.invoke('waits', null)).toBe(0);
      expect(functionOf(gateway, 'computes').waiting).toBe(WORKERS - PLACES);
      signal.give();
      await Promise.all(calls);
    });

    test('share the cores between pools: what one gives back the other takes', async () => {
      const pool = { workers: WORKERS, connectTimeoutMs: 60_000 };
      const gateway = await start(
        { computes: COMPUTES, 'computes-too': [COMPUTES[0], `${CONTRACT}, pool: 'other'`] },
        { pools: { default: pool, other: pool } },
      );
      await teach(gateway, 'computes');
      await teach(gateway, 'computes-too');
      const [first, second] = [new Signal(), new Signal()];
      const calls = send(gateway, 'computes', first, PLACES);
      await first.begun(PLACES);
      const others = send(gateway, 'computes-too', second, 2);
      expect([takenOf(gateway), takenOf(gateway, 'other')]).toEqual([PLACES, 0]);
      expect(functionOf(gateway, 'computes-too').waitsFor).toMatch(/^CPU/);
      first.give();
      await Promise.all(calls);
      await second.begun(2);
      second.give();
      expect(await Promise.all(others)).toEqual([OK, OK]);
      await idle(gateway);
    });

    test('give back their share however they end', async () => {
      const gateway = await start({ computes: COMPUTES });
      await teach(gateway, 'computes');
      const killed = new Signal();
      const cut = send(gateway, 'computes', killed, PLACES);
      for (const pid of await killed.begun(PLACES)) kill(pid, 'SIGKILL');
      expect(await Promise.all(cut)).toEqual(
        cut.map(() => ({ code: 'worker-crashed', executed: pings ? 'yes' : 'unknown' })),
      );

      const late = Array.from({ length: PLACES }, () =>
        toldOf(gateway.invoke('computes', new Signal().file, { timeoutMs: 300 })),
      );
      expect(new Set((await Promise.all(late)).map(({ code }) => code))).toEqual(new Set(['function-timeout']));

      const leaving = new AbortController();
      const signal = new Signal();
      const left = Array.from({ length: WORKERS }, () =>
        toldOf(gateway.invoke('computes', signal.file, { signal: leaving.signal })),
      );
      await signal.begun(PLACES);
      leaving.abort();
      signal.give();
      const codes = (await Promise.all(left)).map(({ code }) => code).sort();
      expect(codes.filter((code) => code === 'client-closed')).toHaveLength(WORKERS - PLACES);
      await idle(gateway);

      const last = new Signal();
      const calls = send(gateway, 'computes', last, WORKERS);
      await last.begun(PLACES);
      expect(takenOf(gateway)).toBe(PLACES);
      last.give();
      await Promise.all(calls);
    });
  });

  test('calls that wait fill the pool', async () => {
    const gateway = await start({ waits: WAITS });
    await teach(gateway, 'waits');
    expect(functionOf(gateway, 'waits').cpuShare).toBeLessThan(1);
    const signal = new Signal();
    // One first: while quick calls are around the last worker may be kept.
    const calls = send(gateway, 'waits', signal, WORKERS + 1);
    await signal.begun(WORKERS);
    expect(takenOf(gateway)).toBe(WORKERS);
    expect(functionOf(gateway, 'waits')).toMatchObject({ running: WORKERS, waiting: 1, waitsFor: 'a worker' });
    signal.give();
    expect(await Promise.all(calls)).toEqual(calls.map(() => OK));
  });

  test('a slow function that fills its pool leaves one worker for quick calls', async () => {
    const gateway = await start({ slow: [`usleep(100_000);${WAITS[0]}`, CONTRACT], quick: 'return 7;' });
    await teach(gateway, 'slow');
    expect(await gateway.invoke('quick', null)).toBe(7);
    const signal = new Signal();
    const calls = send(gateway, 'slow', signal, WORKERS + 1);
    await signal.begun(WORKERS - 1);
    expect(takenOf(gateway)).toBe(WORKERS - 1);
    expect(functionOf(gateway, 'slow')).toMatchObject({ waiting: 2, waitsFor: expect.stringContaining('kept') });
    // They pass the slow ones that wait.
    for (let n = 0; n < 5; n += 1) expect(await gateway.invoke('quick', null)).toBe(7);
    expect(takenOf(gateway)).toBe(WORKERS - 1);
    signal.give();
    expect(await Promise.all(calls)).toEqual(calls.map(() => OK));
  });

  test('the worker that is kept for quick calls goes to slow ones when none has come for a while', async () => {
    const gateway = await start({ slow: [`usleep(100_000);${WAITS[0]}`, CONTRACT], quick: 'return 7;' });
    await teach(gateway, 'slow');
    expect(await gateway.invoke('quick', null)).toBe(7);
    const signal = new Signal();
    const calls = send(gateway, 'slow', signal, WORKERS);
    await signal.begun(WORKERS - 1);
    expect(functionOf(gateway, 'slow')).toMatchObject({ waiting: 1, waitsFor: expect.stringContaining('kept') });
    await signal.begun(WORKERS);
    signal.give();
    expect(await Promise.all(calls)).toEqual(calls.map(() => OK));
  });

  describe('standing behind', () => {
    const pools = { default: { workers: 1, connectTimeoutMs: 60_000 } };
    const SMALL = 'strlen(json_encode($input));';

    /** While a short call holds the only worker, this one is sent in the same moment: the places taken behind. */
    const behindHeld = async (gateway: Gateway, calls: Calls, other: () => Promise<unknown>): Promise<number> => {
      const [held, sent] = atOnce(() => [calls.call('held', 'hold'), other()]);
      const { behind } = backendOf(gateway, engine);
      await calls.begins('held');
      calls.go('held');
      await held;
      const result = await sent;
      if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result)
        for await (const _ of result as AsyncIterable<unknown>);
      return behind;
    };

    test('short calls of any function stand behind, up to the depth that is told', async () => {
      const gateway = await start({ work: [WORK, CONTRACT], other: [WORK, CONTRACT] }, { pools });
      const calls = new Calls(gateway);
      await calls.teach();
      await calls.teach('other');
      expect([functionOf(gateway, 'work').depth, functionOf(gateway, 'other').depth]).toEqual([8, 8]);
      const told = atOnce(() => [
        calls.call('first', 'hold'),
        ...Array.from({ length: 9 }, (_, n) => calls.call(`${n}`, 'quick', 'other')),
      ]);
      expect(backendOf(gateway, engine)).toMatchObject({ taken: 1, behind: 7 });
      expect(functionOf(gateway, 'other')).toMatchObject({ running: 7, waiting: 2, waitsFor: 'a worker' });
      await calls.begins('first');
      calls.go('first');
      expect(await Promise.all(told)).toEqual(['first', ...Array.from({ length: 9 }, (_, n) => `${n}`)]);
      expect(calls.begun).toEqual(['first', ...Array.from({ length: 9 }, (_, n) => `${n}`)]);
      await idle(gateway);
      expect(backendOf(gateway, engine).behind).toBe(0);
    });

    test('calls that take longer than it costs to wake a worker stand behind none while one is free', async () => {
      // Longer than that in the mean, whatever else runs on this machine.
      const source = `usleep(400); ${WORK}`;
      const gateway = await start({ work: [source, CONTRACT] }, { pools: { default: { workers: 2 } } });
      const calls = new Calls(gateway);
      await calls.teach('work', 2);
      // Both are connected then.
      await Promise.all(atOnce(() => [calls.call('lesson', 'quick'), calls.call('lesson', 'quick')]));
      // On a machine that is busy for a moment they are not measured as short: then they stand behind nothing.
      await until('they are short', async () => {
        await calls.teach('work', 2);
        return functionOf(gateway, 'work').depth > 1;
      });
      const told = atOnce(() => ['a', 'b'].map((id) => toldOf(calls.call(id, 'hold'))));
      expect(backendOf(gateway, engine)).toMatchObject({ taken: 2, behind: 0 });
      const more = atOnce(() => ['c', 'd'].map((id) => toldOf(calls.call(id, 'quick'))));
      calls.go('a');
      calls.go('b');
      await Promise.all([...told, ...more]);
      // Behind each of them, not both behind one.
      expect(await calls.begins('c')).not.toBe(await calls.begins('d'));
    });

    test('nothing is put behind a call that has run for long', async () => {
      const gateway = await start({ work: [WORK, CONTRACT] }, { pools });
      const calls = new Calls(gateway);
      await calls.teach();
      const held = calls.call('held', 'hold');
      await calls.begins('held');
      const sinceMs = performance.now();
      await until('it has run for far longer than short calls do', () => performance.now() - sinceMs > 25);
      const next = calls.call('next', 'quick');
      expect(backendOf(gateway, engine)).toMatchObject({ taken: 1, behind: 0 });
      expect(functionOf(gateway, 'work')).toMatchObject({ running: 1, waiting: 1 });
      calls.go('held');
      expect(await Promise.all([held, next])).toEqual(['held', 'next']);
    });

    test('not a function without measurements, a stream, a script, a large body', async () => {
      const gateway = await start(
        {
          work: [WORK, CONTRACT],
          fresh: ['return 1;', CONTRACT],
          size: [`return ${SMALL}`, CONTRACT],
          ...streamHandler('flow', 'yield 1;'),
          'functions/plain.php': '<?php echo 1;',
          'schemas/plain.ts': `import { z } from 'zod';
          import { defineFunction } from 'fpm-gateway/contract';
          export default defineFunction({ script: 'plain.php', input: z.any(), output: z.any() });`,
        },
        { pools },
      );
      const calls = new Calls(gateway);
      for (let n = 0; n < 40; n += 1) for (const name of ['flow', 'plain']) await toldOf(gateway.invoke(name, null));
      await calls.teach('work');
      for (let n = 0; n < 5; n += 1) await gateway.invoke('size', 'x');
      await until('size is known to be short', async () => {
        await gateway.invoke('size', 'x');
        return functionOf(gateway, 'size').depth > 2;
      });
      const large = 'x'.repeat(16_500);
      const others: [string, () => Promise<unknown>, behind: number][] = [
        ['small', () => gateway.invoke('size', 'x'), 1],
        ['large', () => gateway.invoke('size', large), 0],
        ['fresh', () => gateway.invoke('fresh', null), 0],
        ['flow', () => gateway.invoke('flow', null), 0],
        ['plain', () => toldOf(gateway.invoke('plain', null)), 0],
      ];
      for (const [name, other, behind] of others) {
        await calls.teach('work');
        const own = new Calls(gateway);
        expect([name, await behindHeld(gateway, own, other)]).toEqual([name, behind]);
        await idle(gateway);
      }
    });

    test('nobody behind a function without measurements, a stream, a script, a large body', async () => {
      const gateway = await start(
        {
          work: [WORK, CONTRACT],
          fresh: ['return 1;', CONTRACT],
          size: [`return ${SMALL}`, CONTRACT],
          ...streamHandler('flow', 'yield 1;'),
        },
        { pools },
      );
      const calls = new Calls(gateway);
      await calls.teach('work');
      await until('size is known to be short', async () => {
        await gateway.invoke('size', 'x');
        return functionOf(gateway, 'size').depth > 2;
      });
      const firsts: [string, () => Promise<unknown>, behind: number][] = [
        ['small', () => gateway.invoke('size', 'x'), 1],
        ['large', () => gateway.invoke('size', 'x'.repeat(16_500)), 0],
        ['fresh', () => gateway.invoke('fresh', null), 0],
        ['flow', () => gateway.invoke('flow', null), 0],
      ];
      for (const [name, first, behind] of firsts) {
        const [a, b] = atOnce(() => [first(), calls.call(`behind-${name}`, 'quick')]);
        const standing = backendOf(gateway, engine).behind;
        const result = await a;
        if (name === 'flow') for await (const _ of result as AsyncIterable<unknown>);
        await b;
        expect([name, standing]).toEqual([name, behind]);
        await idle(gateway);
      }
    });

    test('a call that needs a worker of its own is not passed by those that would stand behind others', async () => {
      const gateway = await start({ work: [WORK, CONTRACT], fresh: [WORK, CONTRACT] }, { pools });
      const calls = new Calls(gateway);
      await calls.teach();
      const told = atOnce(() => [
        toldOf(calls.call('held', 'hold')),
        toldOf(calls.call('fresh', 'quick', 'fresh')),
        toldOf(calls.call('late', 'quick')),
      ]);
      expect(backendOf(gateway, engine)).toMatchObject({ taken: 1, behind: 0 });
      await calls.begins('held');
      calls.go('held');
      await Promise.all(told);
      expect(calls.begun).toEqual(['held', 'fresh', 'late']);
    });

    /** So many callers who call on and on while this is awaited. */
    const meanwhile = async <T>(callers: number, gateway: Gateway, wanted: () => Promise<T>): Promise<T> => {
      let on = true;
      const callings = Array.from({ length: callers }, async () => {
        while (on) await gateway.invoke('work', null);
      });
      try {
        return await wanted();
      } finally {
        on = false;
        await Promise.all(callings);
      }
    };

    test('short calls that never cease do not keep their workers from others for ever', async () => {
      const gateway = await start({ work: ['return 1;', CONTRACT], other: ['return 2;', CONTRACT] }, { pools });
      await new Calls(gateway).teach('work', 8);
      // It is not known to be short: it needs a worker of its own.
      const wanted = async () => await toldOf(gateway.invoke('other', null, { timeoutMs: 20_000 }));
      expect(await meanwhile(16, gateway, wanted)).toEqual({ code: 'ok', value: 2 });
    });

    test('short calls that compute and never cease do not keep the CPU from others for ever', async () => {
      const gateway = await start({
        work: ['for ($end = hrtime(true) + 200_000; hrtime(true) < $end;); return 1;', CONTRACT],
        computes: COMPUTES,
      });
      await teach(gateway, 'computes');
      await until('work is known to be short', async () => {
        await gateway.invoke('work', null);
        return functionOf(gateway, 'work').depth > 4;
      });
      const wanted = async () => await toldOf(gateway.invoke('computes', null, { timeoutMs: 20_000 }));
      expect(await meanwhile(12 * PLACES, gateway, wanted)).toEqual({ code: 'ok', value: 0 });
    });
  });
});

test('nothing stands behind on the workers of somebody else', async () => {
  const folder = openFolder();
  const project = functionsProject({ work: [WORK, CONTRACT] });
  chmodSync(project, 0o755);
  await rawFpm(folder, [`${folder}/a.sock`], 1);
  const address = `unix:${folder}/a.sock`;
  const gateway = await startGateway(
    { pools: { default: { address, workers: 1, root: project, runtime } } },
    { project },
  );
  const calls = new Calls(gateway);
  await calls.teach();
  const told = atOnce(() => [calls.call('a', 'quick'), calls.call('b', 'quick')]);
  expect(backendOf(gateway)).toMatchObject({ taken: 1, behind: 0 });
  expect(await Promise.all(told)).toEqual(['a', 'b']);
});
