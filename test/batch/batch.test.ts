/** Batches over HTTP on real workers: each item its own outcome, whatever becomes of the others. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { type BatchAnswer, batch, byId, NDJSON, OpenBatch } from '../support/batches.ts';
import { callUrl, post } from '../support/call.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { streamHandler } from '../support/streams.ts';
import { Held, Runs, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

eachEngine(({ startTestServer }) => {
  const file = wholeFile();
  const folder = openFolder(file);
  const runs = new Runs(file);
  let server: Server;

  beforeAll(async () => {
    const project = functionsProject(
      {
        echo: 'return $input;',
        wait: WAIT,
        // Never called before, so that it is not known to be slow: no worker is kept from it.
        'wait-fresh': WAIT,
        'wait-two': [WAIT, 'inFlightMax: 2'],
        counted: runs.marking('return $input;'),
        fails: "throw new Failure('no', ['why' => $input]);",
        dies: 'posix_kill(getmypid(), 9);',
        slow: [`usleep(20_000_000); return 1;`, 'timeoutMs: 200'],
        sleepy: 'usleep($input * 1000); return $input;',
        bytes: ['return new Binary("\\x00\\xffok", \'application/x-test\');', "output: binary('application/x-test')"],
        big: 'return str_repeat("x", $input);',
        ...streamHandler('items', 'yield 1;'),
        'schemas/page.ts': `
import { z } from 'zod';
import { binary, defineFunction } from 'fpm-gateway/contract';
export default defineFunction({ input: z.any(), output: binary('text/plain'), scripts: { folder: 'page', files: ['a.php'] } });
`,
        'functions/page/a.php': "<?php header('Content-Type: text/plain'); echo 'page of ', $_POST['name'] ?? '-';",
      },
      file,
    );
    const env = {
      FPMG_POOLS__DEFAULT__WORKERS: '4',
      FPMG_BATCH__ITEMS_MAX: '20000',
      FPMG_LIMITS__BODY_MAX_BYTES: '100000',
      FPMG_BATCH__MAX_BYTES: '8000000',
    };
    server = await startTestServer(project, { env }, file);
  });

  const functionOf = (name: string) =>
    server.gateway
      .pools()
      .flatMap(({ functions }) => functions)
      .find((fn) => fn.name === name);

  let number = 0;
  const held = (): Held => {
    number += 1;
    return new Held(folder, `held-${number}`);
  };

  const statuses = ({ lines }: BatchAnswer) => lines.map(({ status }) => status);

  describe('results', () => {
    test('tell of each item what came of it, how often it was tried, how long it took, and where to find its span', async () => {
      const answer = await batch(server.url, [{ id: 'a', function: 'echo', input: { x: [1, null] } }]);
      expect(answer.status).toBe(200);
      expect(answer.headers).toMatchObject({ 'content-type': NDJSON, 'cache-control': 'no-store' });
      expect(answer.lines).toEqual([
        {
          id: 'a',
          index: 0,
          status: 'succeeded',
          output: { x: [1, null] },
          executed: 'yes',
          attempts: 1,
          timing: { queueMs: expect.any(Number), phpMs: expect.any(Number), totalMs: expect.any(Number) },
          spanId: expect.stringMatching(/^[0-9a-f]{16}$/),
        },
      ]);
    });

    test('come as each item ends, also while the batch is still being sent', async () => {
      const first = held();
      const open = new OpenBatch(server.url);
      open.send({ id: 'slow', function: 'wait', input: first.file }, { id: 'quick', function: 'echo', input: 1 });
      await open.count(1);
      expect(open.lines[0]).toMatchObject({ id: 'quick' });
      first.go();
      await open.count(2);
      open.send({ id: 'later', function: 'echo', input: 2 });
      await open.count(3);
      open.end();
      expect(await open.ended()).toBe('whole');
      expect(open.lines.map(({ id }) => id)).toEqual(['quick', 'slow', 'later']);
    });

    test('come in the order of the items where that is asked for', async () => {
      const first = held();
      const open = new OpenBatch(server.url, { path: '/batch?order=input' });
      open.send(
        { function: 'wait', input: first.file },
        { function: 'counted', input: 1 },
        { function: 'echo', input: 2 },
      );
      open.end();
      await first.started();
      await until('the second has run', () => runs.count > 0);
      expect(open.lines).toEqual([]);
      first.go();
      expect(await open.ended()).toBe('whole');
      expect(open.lines.map(({ index, id }) => [index, id])).toEqual([
        [0, '0'],
        [1, '1'],
        [2, '2'],
      ]);
    });

    test('of an array are an array, in its order', async () => {
      const headers = { 'content-type': 'application/json' };
      const items = [30, 1, 15].map((ms) => ({ function: 'sleepy', input: ms }));
      const answer = await batch(server.url, JSON.stringify(items), { headers });
      expect(answer.headers['content-type']).toBe('application/json');
      expect(answer.lines.map(({ output }) => output)).toEqual([30, 1, 15]);
      expect((await batch(server.url, '[]', { headers })).text).toBe('[]\n');
    });

    test('of nothing are nothing', async () => {
      expect(await batch(server.url, '')).toMatchObject({ status: 200, text: '' });
    });

    test('that are bytes are base64 with their type', async () => {
      const { lines } = await batch(server.url, [{ function: 'bytes' }]);
      expect(lines[0]).toMatchObject({
        encoding: 'base64',
        output: { mediaType: 'application/x-test', base64: Buffer.from('\x00\xffok', 'latin1').toString('base64') },
      });
    });

    test('of one function need not name it with each item', async () => {
      const { lines } = await batch(server.url, [{ input: 1 }, { id: 'b', input: 2 }], {
        path: '/functions/echo/batch',
      });
      expect(lines.map(({ output }) => output).sort()).toEqual([1, 2]);
      const named = await batch(server.url, [{ function: 'echo', input: 1 }], { path: '/functions/echo/batch' });
      expect(named.lines[0]?.error).toMatchObject({ code: 'validation-failed' });
    });

    test('may be those of scripts', async () => {
      const { lines } = await batch(server.url, [
        { function: 'page/a.php', input: { name: 'Ada' } },
        { function: 'page/b.php' },
      ]);
      const [good, bad] = [...lines].sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
      expect(Buffer.from(good?.output.base64, 'base64').toString()).toBe('page of Ada');
      expect(bad?.error.code).toBe('not-found');
    });

    test('are the same through the web-standard handler, which is the reference', async () => {
      const items = [{ id: 'a', function: 'echo', input: 1 }, 'x', { id: 'c', function: 'none' }];
      const request = (): Request =>
        new Request('http://localhost/batch?order=input', {
          method: 'POST',
          headers: { 'content-type': NDJSON },
          body: items.map((item) => (typeof item === 'string' ? item : JSON.stringify(item))).join('\n'),
        });
      const plain = (text: string): string =>
        text.replaceAll(/"(?:queueMs|phpMs|totalMs)":[\d.]+|"(?:spanId|traceId|instance)":"[^"]*"/g, '');
      const inProcess = await server.gateway.fetch(request());
      const direct = await batch(server.url, items, { path: '/batch?order=input' });
      expect(plain(await inProcess.text())).toBe(plain(direct.text));
      expect(inProcess.headers.get('content-type')).toBe(NDJSON);
    });
  });

  describe('an item that is wrong has an error of its own, and the others run', () => {
    const good = { id: 'good', function: 'echo', input: 1 };

    test.each([
      ['no JSON', 'garbage', 'invalid-json', null],
      ['an array', [good], 'validation-failed', null],
      ['a number', 7, 'validation-failed', null],
      ['no function', { id: 'x', input: 1 }, 'validation-failed', 'x'],
      ['an unknown function', { id: 'x', function: 'nope' }, 'not-found', 'x'],
      ['a function that is a path', { id: 'x', function: '../echo' }, 'not-found', 'x'],
      ['a script of a function that has none', { id: 'x', function: 'echo/a.php' }, 'not-found', 'x'],
      ['a member nobody knows', { id: 'x', function: 'echo', timeout: 1 }, 'validation-failed', 'x'],
      ['an id that is no text', { id: 7, function: 'echo' }, 'validation-failed', null],
      ['an id without characters', { id: '', function: 'echo' }, 'validation-failed', ''],
      ['an id that is too long', { id: 'x'.repeat(129), function: 'echo' }, 'validation-failed', null],
      ['a time limit of nothing', { id: 'x', function: 'echo', timeoutMs: 0 }, 'validation-failed', 'x'],
      ['the id of another', { id: 'good', function: 'echo' }, 'duplicate-id', 'good'],
      ['a member twice', '{"id":"x","id":"y","function":"echo"}', 'duplicate-key', null],
      ['too much', { id: 'x', function: 'echo', input: 'x'.repeat(100_000) }, 'body-too-large', null],
      [
        'too deep',
        { id: 'x', function: 'echo', input: JSON.parse('['.repeat(80) + ']'.repeat(80)) },
        'json-too-deep',
        null,
      ],
      ['a stream', { id: 'x', function: 'items' }, 'not-acceptable', 'x'],
      ['an error of its own', { id: 'x', function: 'fails', input: 1 }, 'function-error', 'x'],
      ['a worker that dies', { id: 'x', function: 'dies' }, 'worker-crashed', 'x'],
      ['a function that takes too long', { id: 'x', function: 'slow' }, 'function-timeout', 'x'],
      [
        'a deadline of its own',
        { id: 'x', function: 'sleepy', input: 20_000, timeoutMs: 100 },
        'function-timeout',
        'x',
      ],
    ])('%s', async (_what, item, code, id) => {
      const { lines, status } = await batch(server.url, [good, item, { ...good, id: 'last' }]);
      expect(status).toBe(200);
      expect(lines).toHaveLength(3);
      expect(
        lines
          .filter(({ status }) => status === 'succeeded')
          .map(({ id }) => id)
          .sort(),
      ).toEqual(['good', 'last']);
      expect(lines.find(({ status }) => status !== 'succeeded')).toMatchObject({
        id,
        index: 1,
        status: 'failed',
        error: { code },
      });
    });

    test('it is an item of its own in an array, too', async () => {
      const body = `[${JSON.stringify(good)}, {oops, ${JSON.stringify({ function: 'echo', input: 2 })}]`;
      const { lines } = await batch(server.url, body, { headers: { 'content-type': 'application/json' } });
      expect(lines.map(({ status }) => status)).toContain('succeeded');
      expect(lines.at(-1)).toMatchObject({ index: null, error: { code: 'invalid-json' } });
    });

    test('declared errors have their data, and say that the function ran', async () => {
      const project = functionsProject({
        picky: ["throw new Failure('no-lines', ['n' => $input]);", "errors: { 'no-lines': z.any() }"],
      });
      const own = await startTestServer(project);
      const { lines } = await batch(own.url, [{ function: 'picky', input: 3 }]);
      expect(lines[0]).toMatchObject({
        status: 'failed',
        executed: 'yes',
        attempts: 1,
        error: { code: 'no-lines', status: 422, data: { n: 3 } },
      });
    });
  });

  describe('a batch that breaks off reports what ran, then why it ended', () => {
    const echo = (id: number) => ({ id: `e${id}`, function: 'echo', input: id });
    const last = ({ lines }: BatchAnswer) => lines.at(-1);

    test('an array without an end', async () => {
      const body = `[${JSON.stringify(echo(1))},${JSON.stringify(echo(2))},{"id"`;
      const answer = await batch(server.url, body, { headers: { 'content-type': 'application/json' } });
      expect(statuses(answer)).toEqual(['succeeded', 'succeeded', 'failed']);
      // Whoever sends all of it again runs again what ran.
      expect(last(answer)).toMatchObject({ id: null, index: null, executed: 'yes', error: { code: 'invalid-json' } });
    });

    test('too many items', async () => {
      const answer = await batch(
        server.url,
        Array.from({ length: 20_003 }, (_, at) => ({ id: `${at}`, function: 'echo' })),
      );
      expect(answer.lines).toHaveLength(20_001);
      expect(last(answer)).toMatchObject({ index: null, error: { code: 'batch-too-large', status: 413 } });
      expect(last(answer)?.error.detail).toContain('batch.itemsMax is 20000');
    });

    test('a line without end, too many bytes', async () => {
      const answer = await batch(server.url, `${JSON.stringify(echo(1))}\n${'x'.repeat(8_000_000)}`);
      expect(answer.lines[0]).toMatchObject({ id: 'e1', status: 'succeeded' });
      expect(last(answer)).toMatchObject({ index: null, error: { code: 'batch-too-large' } });
      expect(last(answer)?.error.detail).toContain('batch.maxBytes is 8000000');
    });

    test('an endless one ends with its time', async () => {
      const open = new OpenBatch(server.url, { headers: { 'x-request-timeout-ms': '300' } });
      open.send(echo(1));
      expect(await open.ended()).toBe('whole');
      expect(open.lines.map(({ index, error }) => [index, error?.code])).toEqual([
        [0, undefined],
        [null, 'deadline-exceeded'],
      ]);
    });

    test.each([
      ['lines that are said to be an array', 'application/json', '{"function":"echo"}\n', 400, 'invalid-json'],
      ['an empty array body', 'application/json', '', 400, 'invalid-json'],
      ['a form', 'application/x-www-form-urlencoded', 'a=1', 415, 'unsupported-media-type'],
    ])('before anything ran it is a plain problem: %s', async (_what, type, body, status, code) => {
      const answer = await batch(server.url, body, { headers: { 'content-type': type } });
      expect(answer.status).toBe(status);
      expect(answer.headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(answer.text)).toMatchObject({ code, executed: 'no', traceId: answer.headers['trace-id'] });
    });

    test('an array that is said to be lines tells so', async () => {
      const answer = await batch(server.url, '[{"function":"echo"}]');
      expect(answer.lines[0]?.error.detail).toContain('expected object, received array');
    });

    test('unknown functions in the path, other verbs', async () => {
      expect((await batch(server.url, [], { path: '/functions/nope/batch' })).status).toBe(404);
      const get = await fetch(`${server.url}/batch`);
      expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
      expect((await callUrl(server.url, 'echo', 1)).status).toBe(200);
    });
  });

  describe('a batch that stops', () => {
    test('after an error: what has not begun never runs', async () => {
      const before = runs.count;
      const items = [{ id: 'bad', function: 'fails' }, ...Array.from({ length: 300 }, () => ({ function: 'counted' }))];
      const answer = await batch(server.url, items, { path: '/batch?stopOnError=true&concurrency=1' });
      expect(answer.lines).toHaveLength(301);
      expect(answer.lines[0]).toMatchObject({ id: 'bad', status: 'failed' });
      for (const { status, executed, error } of answer.lines.slice(1))
        expect([status, executed, error.code]).toEqual(['cancelled', 'no', 'batch-stopped']);
      expect(runs.count).toBe(before);
    });

    test('after an item that could not be read, too', async () => {
      const answer = await batch(server.url, ['garbage', { function: 'echo' }], { path: '/batch?stopOnError=true' });
      expect(statuses(answer)).toEqual(['failed', 'cancelled']);
    });

    test('at its deadline: what runs is ended as by its own, the rest is cancelled', async () => {
      const before = runs.count;
      const one = held();
      const items = [
        { id: 'runs', function: 'wait', input: one.file },
        ...Array.from({ length: 50 }, (_, at) => ({ id: `${at}`, function: 'counted' })),
      ];
      const headers = { 'x-request-timeout-ms': '400' };
      const answer = await batch(server.url, items, { path: '/batch?concurrency=1', headers });
      const lines = byId(answer);
      expect(answer.lines).toHaveLength(51);
      expect(lines.runs).toMatchObject({ status: 'failed', error: { code: 'function-timeout' } });
      expect(lines['3']).toMatchObject({ status: 'cancelled', executed: 'no', error: { code: 'deadline-exceeded' } });
      expect(runs.count).toBe(before);
    });

    test('when its caller leaves: the rest never runs', async () => {
      const before = runs.count;
      const all = [held(), held(), held(), held()];
      const open = new OpenBatch(server.url);
      open.send(...all.map(({ file }) => ({ function: 'wait-fresh', input: file })));
      open.send(...Array.from({ length: 200 }, () => ({ function: 'counted' })));
      open.end();
      await Promise.all(all.map((one) => one.started()));
      open.leave();
      // Calls of others wait behind them, were any still to come.
      const status = () => functionOf('counted')?.waiting;
      await until('nothing waits', () => status() === 0);
      for (const one of all) one.go();
      expect(await (await callUrl(server.url, 'echo', 'still there')).json()).toBe('still there');
      expect(runs.count).toBe(before);
    });

    test('unless it was told to go on: fire and forget', async () => {
      const before = runs.count;
      const one = held();
      const open = new OpenBatch(server.url, { path: '/batch?concurrency=1', headers: { 'on-disconnect': 'finish' } });
      open.send({ function: 'wait', input: one.file }, ...Array.from({ length: 20 }, () => ({ function: 'counted' })));
      open.end();
      await one.started();
      open.leave();
      one.go();
      await until('all have run', () => runs.count === before + 20);
    });
  });

  describe('beside others', () => {
    test("a function's concurrency is kept, and waited for, not run into", async () => {
      const all = Array.from({ length: 6 }, held);
      const open = new OpenBatch(server.url);
      open.send(...all.map(({ file }) => ({ function: 'wait-two', input: file })), { id: 'other', function: 'echo' });
      open.end();
      await open.count(1);
      expect(open.lines[0]?.id).toBe('other');
      for (const [at, one] of all.entries()) {
        await one.started();
        expect(all.filter(({ pids }) => pids.length > 0).length).toBeLessThanOrEqual(at + 2);
        one.go();
      }
      expect(await open.ended()).toBe('whole');
      expect(open.lines.map(({ status }) => status)).toEqual(Array(7).fill('succeeded'));
    });

    test('where others have all of it, items wait for their turn', async () => {
      const [a, b, mine] = [held(), held(), held()];
      const others = [a, b].map(({ file }) => callUrl(server.url, 'wait-two', file));
      await Promise.all([a.started(), b.started()]);
      const open = new OpenBatch(server.url);
      open.send({ id: 'mine', function: 'wait-two', input: mine.file }, { id: 'echo', function: 'echo' });
      open.end();
      await open.count(1);
      for (const one of [a, b, mine]) one.go();
      await Promise.all(others);
      expect(await open.ended()).toBe('whole');
      expect(open.lines.map(({ id, status }) => [id, status])).toEqual([
        ['echo', 'succeeded'],
        ['mine', 'succeeded'],
      ]);
    });

    test('a call of somebody else does not wait for the whole batch', async () => {
      const blocked = Array.from({ length: 100 }, held);
      const open = new OpenBatch(server.url);
      open.send(...blocked.map(({ file }) => ({ function: 'wait', input: file })));
      open.end();
      // A worker may be kept for quick calls.
      await blocked[2]?.started();
      let answered = false;
      const other = callUrl(server.url, 'echo', 'me').then((response) => {
        answered = true;
        return response.json();
      });
      await until('it waits, or a worker was kept for it', () => answered || functionOf('echo')?.waiting === 1);
      for (const one of blocked.slice(0, 20)) one.go();
      expect(await other).toBe('me');
      // 4 workers, 8 that wait: no more than those were before it.
      expect(blocked.filter(({ pids }) => pids.length > 0).length).toBeLessThan(40);
      open.leave();
      for (const one of blocked) one.go();
    });

    test('more items in flight than workers wait for longer than queueTimeoutMs allows a single call', async () => {
      const project = functionsProject({ sleepy: ['usleep(100_000); return $input;', 'queueTimeoutMs: 50'] });
      const own = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '1' } });
      const answer = await batch(
        own.url,
        Array.from({ length: 8 }, (_, at) => ({ function: 'sleepy', input: at })),
      );
      expect(new Set(statuses(answer))).toEqual(new Set(['succeeded']));
    });
  });

  describe('traces', () => {
    const recordsOf = (traceId: string) => server.gateway.tracer.ring.get(traceId);

    test('a batch is one trace: its span, and one for each item inside of it', async () => {
      const traceId = 'b'.repeat(32);
      const headers = { traceparent: `00-${traceId}-${'c'.repeat(16)}-01` };
      const answer = await batch(
        server.url,
        [
          { id: 'a', function: 'echo', input: 1 },
          { id: 'b', function: 'fails' },
        ],
        { headers },
      );
      expect(answer.headers['trace-id']).toBe(traceId);
      await until('it is recorded', () => recordsOf(traceId).length === 3);
      const records = recordsOf(traceId);
      const whole = records.find((record) => record.function === 'batch');
      expect(whole?.parentSpanId).toBe('c'.repeat(16));
      expect(whole?.spans[0]?.attributes).toMatchObject({
        'http.route': '/batch',
        'fpm_gateway.batch.items': 2,
        'fpm_gateway.batch.succeeded': 1,
        'fpm_gateway.batch.failed': 1,
      });
      const lines = byId(answer);
      for (const [name, id] of [
        ['echo', 'a'],
        ['fails', 'b'],
      ] as const) {
        const item = records.find((record) => record.function === name);
        expect(item?.parentSpanId).toBe(whole?.spans[0]?.spanId);
        expect(item?.spans[0]).toMatchObject({ spanId: lines[id]?.spanId, kind: 'internal' });
        expect(item?.spans.length).toBe(3);
      }
    });

    test('an item with a trace of its own stays in that, with a link to the batch', async () => {
      const own = 'd'.repeat(32);
      const traceparent = `00-${own}-${'e'.repeat(16)}-01`;
      const { lines, headers } = await batch(server.url, [{ function: 'echo', input: 1, traceparent }]);
      expect(lines[0]?.traceId).toBe(own);
      const [record] = recordsOf(own);
      expect(record).toMatchObject({ parentSpanId: 'e'.repeat(16), link: { traceId: headers['trace-id'] } });
    });

    test('of whom we do not trust, items stay in the trace of the batch', async () => {
      const traceparent = `00-${'f'.repeat(32)}-${'e'.repeat(16)}-01`;
      const request = new Request('http://localhost/batch', {
        method: 'POST',
        headers: { 'content-type': NDJSON },
        body: JSON.stringify({ function: 'echo', input: 1, traceparent }),
      });
      const response = await server.gateway.fetch(request, { peer: '203.0.113.9' });
      const [line] = (await response.text()).trim().split('\n');
      expect(JSON.parse(line ?? '').traceId).toBeUndefined();
      expect((await post(server.gateway, 'echo', 1)).status).toBe(200);
    });
  });
});
