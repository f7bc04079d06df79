/** What callers with an Idempotency-Key get, from real php-fpm. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { readLines } from '../support/batches.ts';
import { post } from '../support/call.ts';
import { serve } from '../support/command.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { temporaryFolder, wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { canMount, Tmpfs } from '../support/tmpfs.ts';
import { Gate, Held, Runs, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const file = wholeFile();
const runs = new Runs(file);
const gate = new Gate(file);
const stateDir = join(temporaryFolder(file), 'state');
let gateway: Gateway;

const KEY = 'idempotency-key';
let last = 0;
/** Of its own, for each operation. */
const newKey = (): string => {
  last += 1;
  return `key-${last}`;
};
/** What ran since then. */
const ran = async <T>(act: () => Promise<T>): Promise<[times: number, result: T]> => {
  const before = runs.count;
  const result = await act();
  return [runs.count - before, result];
};

const PROJECT = {
  charge: runs.marking('return ["id" => bin2hex(random_bytes(8)), "input" => $input];'),
  must: [runs.marking('return 1;'), "idempotencyKey: 'required'"],
  never: [runs.marking('return 1;'), "idempotencyKey: 'off'"],
  fails: runs.marking('throw new \\RuntimeException("secret");'),
  declines: [
    runs.marking("throw new Failure('declined', ['why' => bin2hex(random_bytes(4))], 'No.');"),
    'errors: { declined: { status: 402, data: z.object({ why: z.string() }) } }',
  ],
  picky: [runs.marking('return 1;'), 'input: z.object({ n: z.int(), at: z.number().default(() => Math.random()) })'],
  bytes: [runs.marking('return new Binary(random_bytes(50000), "image/png");'), "output: binary('image/png')"],
  slow: ['sleep(60);', 'timeoutMs: 300'],
  streams: ['yield 1;', 'output: stream(z.int())'],
  upload: [runs.marking('return 1;'), "input: z.object({ f: file({ maxBytes: 2_000_000, mediaTypes: ['*/*'] }) })"],
  wait: runs.marking(`${gate.waiting} return bin2hex(random_bytes(8));`),
  read: [runs.marking('return 1;'), "methods: ['GET']"],
  bigint: [runs.marking("return '12';"), 'output: z.string().transform((text) => BigInt(text))'],
} as const;

beforeAll(async () => {
  const config = { stateDir, pools: { default: { workers: 4 } }, http: { serverTiming: 'never' } } as const;
  gateway = await startGateway(config, { project: functionsProject(PROJECT, file) }, file);
});

const send = async (name: string, input: unknown, key?: string): Promise<Response> =>
  await post(gateway, name, input, key === undefined ? {} : { [KEY]: key });

const problem = async (response: Response): Promise<Record<string, unknown>> =>
  (await response.json()) as Record<string, unknown>;

test('without a key nothing is kept: no folder of state, and calls run as ever', async () => {
  const state = join(temporaryFolder(), 'state');
  const plain = await startGateway({ stateDir: state }, { project: functionsProject({ charge: PROJECT.charge }) });
  const [times] = await ran(async () => [await post(plain, 'charge', 1), await post(plain, 'charge', 1)]);
  expect(times).toBe(2);
  expect(existsSync(state)).toBe(false);
});

describe('the same key', () => {
  test('gets the first answer, says so, and is traced by its own ids', async () => {
    const key = newKey();
    const [times, [first, second]] = await ran(async () => [
      await send('charge', { a: 1, b: [2] }, key),
      // A repeat may be written in another way.
      await send('charge', { b: [2], a: 1 }, `"${key}"`),
    ]);
    expect(times).toBe(1);
    expect(second?.status).toBe(200);
    expect(await second?.text()).toBe(await first?.text());
    expect([first?.headers.get('idempotency-replayed'), second?.headers.get('idempotency-replayed')]).toEqual([
      null,
      'true',
    ]);
    expect(second?.headers.get('trace-id')).not.toBe(first?.headers.get('trace-id'));
    const [record] = gateway.tracer.ring.get(second?.headers.get('trace-id') ?? '');
    expect(record?.spans[0]?.attributes).toMatchObject({ 'fpm_gateway.idempotency': 'replayed' });
  });

  test('runs the function once for 50 who send it at once', async () => {
    gate.close();
    const key = newKey();
    const [times, [statuses, answers]] = await ran(async () => {
      let told = 0;
      const calls = Array.from({ length: 50 }, async () => await send('wait', 1, key).finally(() => (told += 1)));
      await until('all but one are told', () => told === 49);
      gate.open();
      const all = await Promise.all(calls);
      return [all.map(({ status }) => status), all] as const;
    });
    expect(times).toBe(1);
    expect(statuses.filter((status) => status !== 409)).toEqual([200]);
    const refused = answers.find(({ status }) => status === 409);
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await problem(refused as Response)).toMatchObject({ code: 'idempotency-in-flight', executed: 'unknown' });
    const again = await send('wait', 1, key);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
  });

  test('with another input is refused, and with another function means nothing', async () => {
    const key = newKey();
    await send('charge', 1, key);
    const [times, other] = await ran(async () => await send('charge', 2, key));
    expect(await problem(other)).toMatchObject({ code: 'idempotency-mismatch', status: 422, executed: 'no' });
    expect(times).toBe(0);
    expect((await send('must', 2, key)).status).toBe(200);
  });

  test('of a call that is not valid, or did not run, is free', async () => {
    const key = newKey();
    expect((await send('picky', { n: 'x' }, key)).status).toBe(422);
    const response = await post(gateway, 'picky', { n: 1 }, { [KEY]: key, 'x-request-timeout-ms': '0' });
    expect(response.status).toBeGreaterThanOrEqual(400);
    const [times] = await ran(async () => [await send('picky', { n: 2 }, key), await send('picky', { n: 2 }, key)]);
    // A default that differs each time is no other request.
    expect(times).toBe(1);
  });

  test.each([
    ['fails', 500, 'function-error'],
    ['declines', 402, 'declined'],
    ['bigint', 500, 'contract-error'],
  ])('gets the same failure of %s again', async (name, status, code) => {
    const key = newKey();
    const [times, [first, second]] = await ran(async () => [await send(name, 1, key), await send(name, 1, key)]);
    expect([times, first?.status, second?.status]).toEqual([1, status, status]);
    expect(second?.headers.get('idempotency-replayed')).toBe('true');
    const { instance: _i, traceId: _t, ...told } = await problem(second as Response);
    const { instance: _j, traceId: _u, ...before } = await problem(first as Response);
    expect(told).toEqual(before);
    expect(told).toMatchObject({ code, executed: 'yes' });
  });

  test('gets a timeout in the same words, and it is no failure of this release', async () => {
    const key = newKey();
    const outcome = gateway.outcomes.of('slow');
    const first = await problem(await send('slow', 1, key));
    const { calls, failed } = outcome;
    const again = await problem(await send('slow', 1, key));
    expect(first.detail).toContain(again.detail);
    expect([outcome.calls, outcome.failed]).toEqual([calls, failed]);
    expect([first.code, failed]).toEqual(['function-timeout', 1]);
  });

  test('gets the same bytes again', async () => {
    const key = newKey();
    const [first, second] = [await send('bytes', 1, key), await send('bytes', 1, key)];
    expect(second.headers.get('content-type')).toBe('image/png');
    const sum = async (answer: Response): Promise<string> =>
      createHash('sha256')
        .update(Buffer.from(await answer.arrayBuffer()))
        .digest('hex');
    expect(await sum(second)).toBe(await sum(first));
  });

  test('knows files by their bytes, in memory and on disk', async () => {
    const key = newKey();
    const form = async (byte: number, size: number): Promise<number> => {
      const body = new FormData();
      body.set('f', new Blob([new Uint8Array(size).fill(byte)]), 'f.bin');
      const request = new Request('http://localhost/functions/upload', {
        method: 'POST',
        body,
        headers: { [KEY]: `${key}-${size}` },
      });
      return (await gateway.fetch(request)).status;
    };
    for (const size of [100, 1_000_000]) {
      const [times, statuses] = await ran(async () => [await form(1, size), await form(1, size), await form(2, size)]);
      expect([times, ...statuses]).toEqual([1, 200, 200, 422]);
    }
  });
});

describe('rules', () => {
  test('required: without a key it does not run', async () => {
    const [times, response] = await ran(async () => await send('must', 1));
    expect(times).toBe(0);
    expect(response.headers.get('link')).toBe('</errors/idempotency-key-missing>; rel="describedby"');
    expect(await problem(response)).toMatchObject({ status: 400, code: 'idempotency-key-missing', executed: 'no' });
  });

  test('off: the header means nothing', async () => {
    const key = newKey();
    const [times] = await ran(async () => [await send('never', 1, key), await send('never', 2, key)]);
    expect(times).toBe(2);
  });

  test('GET: it means nothing', async () => {
    const get = async (): Promise<Response> =>
      await gateway.fetch(new Request('http://localhost/functions/read', { headers: { [KEY]: 'one' } }));
    const [times] = await ran(async () => [await get(), await get()]);
    expect(times).toBe(2);
  });

  test('a stream cannot have one', async () => {
    expect(await problem(await send('streams', 1, newKey()))).toMatchObject({
      code: 'idempotency-key-invalid',
      reason: 'stream',
    });
  });

  test.each([
    ['empty', '""'],
    ['too long', 'k'.repeat(256)],
    ['with a space', '"a b"'],
    ['half quoted', '"a'],
    ['sent twice', 'a, b'],
    ['sent twice in quotes', '"a", "b"'],
    ['with parameters', '"a";p=1'],
    ['no ASCII', 'sch\u00f6n'],
  ])('a key that is %s is refused', async (_, key) => {
    const [times, response] = await ran(async () => await send('charge', 1, key));
    expect(await problem(response)).toMatchObject({ status: 400, code: 'idempotency-key-invalid' });
    expect(times).toBe(0);
  });

  test('a stream that requires one is refused at start', async () => {
    const project = functionsProject({ s: ['yield 1;', "output: stream(z.int()), idempotencyKey: 'required'"] });
    await expect(startGateway({}, { project })).rejects.toMatchObject({
      problems: [{ file: 'schemas/s.ts', property: 'idempotencyKey' }],
    });
  });
});

describe('items of a batch', () => {
  const batch = async (...items: object[]) => {
    const body = items.map((item) => JSON.stringify(item)).join('\n');
    const headers = { 'content-type': 'application/x-ndjson' };
    const request = new Request('http://localhost/batch?order=input&concurrency=1', { method: 'POST', body, headers });
    return readLines(await (await gateway.fetch(request)).text());
  };

  test('run once for each key, also beside calls', async () => {
    const key = newKey();
    const item = { function: 'charge', input: { a: 1 }, idempotencyKey: key };
    const [times, [first, second, other]] = await ran(
      async () => await batch(item, item, { ...item, input: { a: 2 } }),
    );
    expect(times).toBe(1);
    expect([first?.replayed, second?.replayed]).toEqual([undefined, true]);
    expect(second?.output).toEqual(first?.output);
    expect(other).toMatchObject({ status: 'failed', executed: 'no', error: { code: 'idempotency-mismatch' } });
    const alone = await send('charge', { a: 1 }, key);
    expect(await alone.json()).toEqual(first?.output);
    expect(alone.headers.get('idempotency-replayed')).toBe('true');
  });

  test('follow the rules of their functions', async () => {
    const [none, bad, failed, again] = await batch(
      { function: 'must', input: 1 },
      { function: 'charge', input: 1, idempotencyKey: 'a b' },
      { function: 'fails', input: 1, idempotencyKey: 'f' },
      { function: 'fails', input: 1, idempotencyKey: 'f' },
    );
    expect(none).toMatchObject({ error: { code: 'idempotency-key-missing' } });
    expect(bad).toMatchObject({ error: { code: 'idempotency-key-invalid' } });
    expect([failed?.replayed, again?.replayed]).toEqual([undefined, true]);
    expect(again).toMatchObject({ error: { code: 'function-error' }, executed: 'yes' });
  });
});

describe('a caller that leaves', () => {
  test('finds its answer when it comes back', async () => {
    const project = functionsProject({ wait: [WAIT, "onDisconnect: 'cancel'"] });
    const { url } = await startTestServer(project, { env: { FPMG_STATE_DIR: temporaryFolder() } });
    const held = new Held(openedFolder, `held-${newKey()}`);
    const left = new AbortController();
    const call = async (signal?: AbortSignal): Promise<Response> =>
      await fetch(`${url}/functions/wait`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', [KEY]: 'left' },
        body: JSON.stringify(held.file),
        ...(signal === undefined ? {} : { signal }),
      });
    const first = call(left.signal).catch(() => 'left');
    await held.started();
    left.abort();
    expect(await first).toBe('left');
    held.go();
    await until('it has ended', async () => (await call()).status !== 409);
    const answer = await call();
    expect([answer.status, answer.headers.get('idempotency-replayed'), held.pids.length]).toEqual([200, 'true', 1]);
  });
});

const openedFolder = gate.file.replace(/\/gate$/, '');

describe('a gateway that ends', () => {
  const start = async (project: string, state: string) =>
    await serve('start', project, { env: { FPMG_STATE_DIR: state } });
  const call = async (url: string, name: string, input: unknown, key: string): Promise<Response> =>
    await fetch(`${url}/functions/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [KEY]: key },
      body: JSON.stringify(input),
    });

  test('in good order: the next one knows its answers', async () => {
    const project = functionsProject({ draw: 'return bin2hex(random_bytes(8));' });
    const state = temporaryFolder();
    const first = await start(project, state);
    const before = await (await call(first.url, 'draw', 1, 'k')).text();
    first.child.kill('SIGTERM');
    expect(await first.exit).toBe(0);
    const second = await start(project, state);
    const after = await call(second.url, 'draw', 1, 'k');
    expect([await after.text(), after.headers.get('idempotency-replayed')]).toEqual([before, 'true']);
  });

  test('killed in the middle of a call: what may have run is not run again unless that does no harm', async () => {
    const project = functionsProject({ once: WAIT, again: [WAIT, 'idempotent: true'] });
    const state = temporaryFolder();
    const first = await start(project, state);
    const beside = await start(project, state);
    const [once, again] = [new Held(openedFolder, `once-${newKey()}`), new Held(openedFolder, `again-${newKey()}`)];
    const lost = [call(first.url, 'once', once.file, 'a'), call(first.url, 'again', again.file, 'b')];
    for (const each of lost) each.catch(() => {});
    await once.started();
    await again.started();
    // Another gateway of the project sees that they run.
    expect((await call(beside.url, 'once', once.file, 'a')).status).toBe(409);
    first.child.kill('SIGKILL');
    expect(await first.exit).toBe('SIGKILL');
    await Promise.allSettled(lost);

    const unknown = await call(beside.url, 'once', once.file, 'a');
    expect(unknown.headers.get('idempotency-replayed')).toBe('true');
    expect(await problem(unknown)).toMatchObject({
      status: 502,
      code: 'worker-crashed',
      reason: 'gateway-ended',
      executed: 'unknown',
    });
    expect(once.pids).toHaveLength(1);

    again.go();
    const second = await call(beside.url, 'again', again.file, 'b');
    expect([second.status, again.pids.length]).toEqual([200, 2]);
    expect((await call(beside.url, 'again', again.file, 'b')).headers.get('idempotency-replayed')).toBe('true');
    once.go();
  });
});

describe('where keys cannot be kept', () => {
  test('calls with one are told, others go on, and a start that requires them fails', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'state'), 'a file where a folder should be');
    const options = { stateDir: join(folder, 'state', 'x') };
    const project = functionsProject({ f: 'return 1;' });
    const broken = await startGateway(options, { project });
    const refused = await post(broken, 'f', 1, { [KEY]: 'a' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    const told = await problem(refused);
    expect(told).toMatchObject({ status: 503, code: 'store-unavailable', executed: 'no' });
    // Where things lie is nothing for callers.
    expect(JSON.stringify(told)).not.toContain(folder);
    expect((await post(broken, 'f', 1)).status).toBe(200);
    const strict = functionsProject({ f: ['return 1;', "idempotencyKey: 'required'"] });
    await expect(startGateway(options, { project: strict })).rejects.toMatchObject({
      problems: [{ file: 'stateDir', detail: expect.stringContaining(options.stateDir) }],
    });
  });

  test.skipIf(!canMount)('a full disk refuses new keys, and a call under way gets its answer', async () => {
    const disk = new Tmpfs('1m').folder;
    const full = await startGateway({ stateDir: disk }, { project: functionsProject({ held: WAIT, f: 'return 1;' }) });
    const held = new Held(openedFolder, `full-${newKey()}`);
    const running = post(full, 'held', held.file, { [KEY]: 'running' });
    await held.started();
    for (let bytes = 65_536; bytes >= 1; bytes = Math.floor(bytes / 2)) {
      try {
        for (;;) writeFileSync(join(disk, 'fill'), Buffer.alloc(bytes), { flag: 'a' });
      } catch {
        // Smaller pieces may still fit.
      }
    }
    const statuses = new Set<number>();
    // What SQLite has already takes some more.
    for (let count = 0; count < 40; count += 1)
      statuses.add((await post(full, 'f', 1, { [KEY]: `more-${count}` })).status);
    expect(statuses).toContain(507);
    expect((await post(full, 'f', 1)).status).toBe(200);
    held.go();
    expect((await running).status).toBe(200);
    expect((await post(full, 'held', held.file, { [KEY]: 'running' })).headers.get('idempotency-replayed')).toBe(
      'true',
    );
    expect(held.pids).toHaveLength(1);
  });

  test('a limit is told with its value', async () => {
    const options = { stateDir: temporaryFolder(), idempotency: { keysMax: 1 } };
    const small = await startGateway(options, { project: functionsProject({ f: 'return 1;' }) });
    expect((await post(small, 'f', 1, { [KEY]: 'a' })).status).toBe(200);
    expect(await problem(await post(small, 'f', 1, { [KEY]: 'b' }))).toMatchObject({
      status: 507,
      code: 'storage-full',
      detail: 'There are 1 keys; idempotency.keysMax is 1 (in deploy/gateway.config.ts).',
    });
    expect((await post(small, 'f', 1, { [KEY]: 'a' })).headers.get('idempotency-replayed')).toBe('true');
  });
});

test('two projects of one machine keep their keys apart', async () => {
  const state = temporaryFolder();
  for (const value of ['1', '2']) {
    const own = await startGateway({ stateDir: state }, { project: functionsProject({ f: `return ${value};` }) });
    expect(await (await post(own, 'f', 1, { [KEY]: 'same' })).text()).toBe(value);
  }
  expect(readdirSync(state).filter((name) => name.endsWith('.sqlite'))).toHaveLength(2);
});
