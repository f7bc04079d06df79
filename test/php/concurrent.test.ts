/** Many calls at once in one worker, through the whole gateway: who waits holds up nobody, who is late ends alone. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { ask, post } from '../support/call.ts';
import { openFolder } from '../support/lifetime.ts';
import { residentOf, residentPids, restartsOf, startConcurrent } from '../support/resident-pool.ts';
import { until } from '../support/until.ts';

/** Ends when so many calls of it run at once: one after the other they would wait for ever. */
const MEET =
  'static $here = 0; ++$here; while ($here < $input) { $call->sleep(1); } return ["pid" => getmypid(), "met" => $here];';
const NAP = '$call->sleep($input); return getmypid();';
const ECHO = 'return $input;';

const times = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

const codesOf = async (gateway: Gateway, name: string, inputs: readonly unknown[]): Promise<unknown[]> =>
  (await Promise.all(inputs.map((input) => ask(gateway, name, input)))).map(({ status, body }) =>
    status === 200 ? body : [body.code, body.executed],
  );

const idle = async (gateway: Gateway): Promise<void> =>
  await until('no call runs', () => residentOf(gateway).resident.workers.every(({ calls }) => calls === 0));

describe('one worker', () => {
  test('runs as many calls at once as there are', async () => {
    const gateway = await startConcurrent({ meet: MEET });
    const answers = await Promise.all(times(300, () => ask(gateway, 'meet', 300)));
    expect(new Set(answers.map(({ body }) => body.pid))).toEqual(new Set(residentPids(gateway)));
    expect(answers.every(({ body }) => body.met === 300)).toBe(true);
  });

  test('and no more than the concurrency of the function: the others wait in the queue', async () => {
    const most =
      'static $here = 0; static $most = 0; $most = max($most, ++$here); $call->sleep(2); --$here; return $most;';
    const gateway = await startConcurrent({ most: [most, 'concurrency: 3'] });
    const answers = await Promise.all(times(20, () => ask(gateway, 'most', null)));
    expect(Math.max(...answers.map(({ body }) => body))).toBe(3);
  });

  test('answers in the order in which calls end', async () => {
    const gateway = await startConcurrent({ nap: NAP, echo: ECHO });
    const ended: string[] = [];
    const slow = ask(gateway, 'nap', 300).then(() => ended.push('slow'));
    const quick = ask(gateway, 'echo', 1).then(() => ended.push('quick'));
    await Promise.all([slow, quick]);
    expect(ended).toEqual(['quick', 'slow']);
  });

  test('has a $call for each: id, input, logs and time are its own', async () => {
    const body =
      '$call->log("mine", ["n" => $input]); $before = $call->id; $call->sleep(5); return [$before === $call->id, $input, $call->remainingMs() > 1000];';
    const gateway = await startConcurrent({ own: body });
    const answers = await Promise.all(times(50, (n) => ask(gateway, 'own', n)));
    expect(answers.map(({ body: told }) => told)).toEqual(times(50, (n) => [true, n, true]));
    const logged = answers.map(({ events }) => events.filter(({ name }) => name === 'log'));
    expect(logged.map((each) => each.map(({ attributes }) => attributes['log.context']))).toEqual(
      times(50, (n) => [JSON.stringify({ n })]),
    );
  });

  test('is shared with no function that has a worker to itself', async () => {
    const gateway = await startConcurrent({ shared: NAP, alone: ['return getmypid();', 'concurrency: 1'] });
    const [shared, alone] = await Promise.all([ask(gateway, 'shared', 1), ask(gateway, 'alone')]);
    expect(shared.body).not.toBe(alone.body);
    expect(gateway.pools().map(({ engine, concurrent }) => [engine, concurrent])).toEqual([
      ['resident', false],
      ['resident', true],
    ]);
  });
});

describe('nested calls', () => {
  test('of a call in a Fiber run in the same worker, and are part of its trace', async () => {
    const gateway = await startConcurrent({
      outer: 'return $call->waitAll([$call->send("echo", [1]), $call->send("echo", [2])]);',
      echo: ECHO,
    });
    const response = await post(gateway, 'outer', null);
    expect(await response.json()).toEqual([[1], [2]]);
    const records = gateway.tracer.ring.get(response.headers.get('trace-id') ?? '');
    expect(records.map((record) => record.function).sort()).toEqual(['echo', 'echo', 'outer']);
  });

  test('get on though all places are taken by calls that wait for them', async () => {
    const down = 'return $input === 0 ? 1 : 1 + $call->invoke("down", $input - 1);';
    const gateway = await startConcurrent({ down: [down, 'concurrency: 2'] });
    expect(
      await codesOf(
        gateway,
        'down',
        times(10, () => 5),
      ),
    ).toEqual(times(10, () => 6));
  });

  test('get on over three levels, each of many at once, and none from outside keeps them off', async () => {
    const all = (name: string) =>
      `return count($call->waitAll(array_map(fn ($n) => $call->send('${name}', $n), [1, 2, 3])));`;
    const gateway = await startConcurrent({
      a: [all('b'), 'concurrency: 2'],
      b: [all('c'), 'concurrency: 2'],
      c: [NAP, 'concurrency: 2'],
    });
    expect(
      await codesOf(
        gateway,
        'a',
        times(12, () => 5),
      ),
    ).toEqual(times(12, () => 3));
  });

  test('that fail fail as they do elsewhere', async () => {
    const gateway = await startConcurrent({
      outer:
        'try { $call->invoke("broken"); } catch (\\FpmGateway\\Client\\CallFailed $e) { return [$e->failureCode, $e->executed, $e->status]; }',
      broken: 'throw new \\RuntimeException("no");',
    });
    expect((await ask(gateway, 'outer')).body).toEqual(['function-error', 'yes', 500]);
  });
});

describe('a call whose time is up', () => {
  test('while it waits is ended there: its finally runs, its worker and the others go on', async () => {
    const done = join(openFolder(), 'done');
    const gateway = await startConcurrent({
      late: [
        `try { $call->sleep(600_000); } finally { file_put_contents('${done}', 'x', FILE_APPEND); }`,
        'timeoutMs: 100',
      ],
      meet: MEET,
    });
    const pids = residentPids(gateway);
    const waiting = ask(gateway, 'meet', 2);
    const codes = await codesOf(gateway, 'late', [1, 2, 3]);
    // Their own word, or on a machine that is busy the gateway's.
    for (const code of codes) expect(code).toEqual(['function-timeout', expect.stringMatching(/yes|unknown/)]);
    await until('all have ended', () => existsSync(done) && readFileSync(done, 'utf8') === 'xxx');
    expect((await ask(gateway, 'meet', 2)).status).toBe(200);
    expect((await waiting).status).toBe(200);
    await idle(gateway);
    expect(residentPids(gateway)).toEqual(pids);
  });

  test('in a loop that never waits costs the worker, and each call in it is told so', async () => {
    const begun = join(openFolder(), 'begun');
    const gateway = await startConcurrent({
      blocks: [`touch('${begun}'); while (true) { }`, 'timeoutMs: 300'],
      nap: NAP,
      repeats: [NAP, 'idempotent: true'],
      echo: ECHO,
    });
    const [before] = residentPids(gateway);
    const naps = codesOf(gateway, 'nap', [600_000, 600_000]);
    await until('they run', () => residentOf(gateway).resident.workers[0]?.calls === 2);
    const repeats = ask(gateway, 'repeats', 400);
    const blocks = codesOf(gateway, 'blocks', [null]);
    await until('it blocks', () => existsSync(begun));
    const echoes = codesOf(gateway, 'echo', [1, 2, 3]);
    expect(await blocks).toEqual([['function-timeout', 'unknown']]);
    expect(await naps).toEqual([
      ['worker-crashed', 'unknown'],
      ['worker-crashed', 'unknown'],
    ]);
    // They had not begun, and go to the next worker.
    expect(await echoes).toEqual([1, 2, 3]);
    expect((await repeats).status).toBe(200);
    expect(residentPids(gateway)).not.toContain(before);
    expect(restartsOf(gateway)).toEqual({ stopped: 1 });
  });
});

test('a worker that is blocked while a large file is on its way to it is ended; the file goes to the next one', async () => {
  const begun = join(openFolder(), 'begun');
  const upload = "input: z.object({ file: file({ maxBytes: 40_000_000, mediaTypes: ['text/plain'] }) })";
  const gateway = await startConcurrent({
    blocks: [`touch('${begun}'); while (true) { }`, 'timeoutMs: 300'],
    size: ['return $input["file"]->size;', upload],
  });
  const blocks = codesOf(gateway, 'blocks', [null]);
  await until('it blocks', () => existsSync(begun));
  const form = new FormData();
  form.set('file', new Blob(['x'.repeat(30_000_000)], { type: 'text/plain' }), 'a.txt');
  const answer = await gateway.fetch(new Request('http://localhost/functions/size', { method: 'POST', body: form }));
  expect(await answer.json()).toBe(30_000_000);
  expect(await blocks).toEqual([['function-timeout', 'unknown']]);
});

describe('a stream', () => {
  const COUNT = 'for ($n = 1; ; ++$n) { $call->sleep(1); yield $n; }';

  test('waits between its items, and others run', async () => {
    const gateway = await startConcurrent({
      count: ['for ($n = 1; $n <= 3; ++$n) { $call->sleep(2); yield $n; }', 'output: stream(z.number())'],
      echo: ECHO,
    });
    const count = async (): Promise<number[]> => {
      const items: number[] = [];
      for await (const item of (await gateway.invoke('count', null)) as AsyncIterable<number>) items.push(item);
      return items;
    };
    const counts = [count(), count()];
    expect(await codesOf(gateway, 'echo', [1, 2])).toEqual([1, 2]);
    expect(await Promise.all(counts)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  test('that nobody reads any more ends in its worker, which goes on', async () => {
    const done = join(openFolder(), 'done');
    const gateway = await startConcurrent({
      count: [`try { ${COUNT} } finally { touch('${done}'); }`, 'output: stream(z.number())'],
      echo: ECHO,
    });
    const pids = residentPids(gateway);
    const items = (await gateway.invoke('count', null)) as AsyncIterable<number>;
    for await (const item of items) if (item === 5) break;
    await until('it has ended', () => existsSync(done));
    await idle(gateway);
    expect(await codesOf(gateway, 'echo', [1])).toEqual([1]);
    expect(residentPids(gateway)).toEqual(pids);
  });
});

test('a gateway that closes lets all of them finish', async () => {
  const gate = join(openFolder(), 'gate');
  const gateway = await startConcurrent({
    waits: `while (!is_file('${gate}')) { $call->sleep(1); clearstatcache(); } return getmypid();`,
  });
  const naps = codesOf(
    gateway,
    'waits',
    times(20, () => null),
  );
  await until('they run', () => residentOf(gateway).resident.workers[0]?.calls === 20);
  const closed = gateway.close();
  writeFileSync(gate, '');
  await closed;
  expect(new Set(await naps).size).toBe(1);
});

test('memory that is used up holds further calls off, and none is lost', async () => {
  const hold = '$held = str_repeat("x", 8 << 20); $call->sleep(20); return strlen($held);';
  const gateway = await startConcurrent({ hold }, { resident: { callMemoryBytes: 16 << 20 } });
  expect(
    new Set(
      await codesOf(
        gateway,
        'hold',
        times(60, () => null),
      ),
    ),
  ).toEqual(new Set([8 << 20]));
  expect(restartsOf(gateway)).toEqual({});
});
