/** Calls over a concurrent worker's own connection are what they would be over HTTP. The worker is scripted, the rest real. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder, temporaryFolder } from '../support/lifetime.ts';
import { nestedProject } from '../support/nested.ts';
import { type Headers, type NestedWorker, nestedWorker } from '../support/nested-worker.ts';
import { streamHandler } from '../support/streams.ts';
import { until } from '../support/until.ts';

const untilFile = (path: string): string => `while (!file_exists(${path})) { usleep(1000); clearstatcache(); }`;

const FUNCTIONS = {
  echo: 'return $input;',
  strict: ['return $input;', 'input: z.object({ a: z.number() })'],
  bytes: ['return new Binary("\\x00\\xff bytes");', "output: binary('image/png')"],
  fails: "throw new RuntimeException('secret');",
  large: "return str_repeat('é', 300_000);",
  ...streamHandler('counts', 'yield 1; yield 2;'),
  ...streamHandler('breaks', "yield 1; throw new RuntimeException('secret');"),
  ...streamHandler('endless', "for (;;) yield str_repeat('x', 10_000);"),
  'schemas/page.ts': `
    import { z } from 'zod';
    import { defineFunction } from 'fpm-gateway/contract';
    export default defineFunction({ script: 'page.php', input: z.any(), output: z.any(), requestHeaders: ['x-name'] });`,
  'functions/page.php': `<?php
    header('content-type: application/json');
    header('x-one: 1');
    echo json_encode([$_SERVER['HTTP_X_NAME'] ?? null, $_SERVER['REQUEST_METHOD'], $_SERVER['REMOTE_ADDR']]);`,
} as const;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

const overHttp = async (socketPath: string, path: string, body: string, headers: Headers): Promise<Answer> =>
  await new Promise((resolve, reject) => {
    const all = { 'content-type': 'application/json', accept: '*/*', ...headers, host: 'localhost' };
    const sent = request({ socketPath, path, method: 'POST', headers: all }, (answer) => {
      answer.setEncoding('utf8');
      let text = '';
      answer.on('data', (chunk: string) => (text += chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
    });
    sent.on('error', reject).end(body);
  });

/** What differs from call to call, and what tells of the connection. */
const compared = ({ status, headers, body }: Answer): object => {
  const own = ['date', 'connection', 'keep-alive', 'content-length', 'transfer-encoding', 'trace-id', 'request-id'];
  const kept = Object.entries(headers).filter(([name]) => !own.includes(name) && name !== 'server-timing');
  const text = body
    .replace(/urn:uuid:[0-9a-f-]+|"traceId":"[0-9a-f]+"/g, 'id')
    .replace(/"timing":.*?"spanId":"[0-9a-f]+"/g, 'timing')
    .replace(/"\w+Ms":[\d.]+/g, 'time');
  return { status, headers: Object.fromEntries(kept), body: text, hasTrace: 'trace-id' in headers };
};

const JSON_TYPE = { 'content-type': 'application/json' };
const BATCH = JSON.stringify([{ function: 'nothing', input: 1 }]);

test('an answer is what it would be over HTTP: status, headers and body', async () => {
  const runtimeDir = temporaryFolder();
  const config = {
    runtimeDir,
    pools: { default: { workers: 2 } },
    limits: { bodyMaxBytes: 1000, responseMaxBytes: 1_000_000 },
  };
  const gateway = await startGateway(config, { project: nestedProject(FUNCTIONS) });
  const names = readdirSync(runtimeDir, { recursive: true, encoding: 'utf8' });
  const socket = join(runtimeDir, names.find((name) => /internal[^/]*\.sock$/.test(name)) ?? '');
  const worker = await nestedWorker(gateway);
  const cases: [path: string, body: string, headers: Headers][] = [
    ['/functions/echo', '{"a":"ü"}', {}],
    ['/functions/echo?x=1', '{"a":1}', {}],
    ['/functions/echo', 'a=1&b=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['/functions/echo', '', {}],
    ['/functions/echo', '{', {}],
    ['/functions/echo', JSON.stringify('x'.repeat(1000)), {}],
    ['/functions/echo', '1', { 'content-type': 'text/csv' }],
    ['/functions/echo', '1', { accept: 'image/png' }],
    ['/functions/echo', '1', { 'fpm-gateway-protocol': '1' }],
    ['/functions/echo', '1', { 'fpm-gateway-protocol': '9' }],
    ['/functions/echo', '1', { 'fpm-gateway-caller': 'nobody' }],
    ['/functions/echo', '1', { 'on-disconnect': 'later' }],
    ['/functions/echo', '1', { 'x-request-timeout-ms': 'soon' }],
    ['/functions/echo', '1', { proxy: 'x' }],
    ['/functions/echo', '1', { x_y: 'x' }],
    ['/functions/%65cho', '{"a":1}', {}],
    ['/functions/echo/', '1', {}],
    ['/functions/../echo', '1', {}],
    ['/functions/nothing', '1', {}],
    ['/nowhere', '1', {}],
    ['/openapi.json', '1', {}],
    ['/functions/strict', '{"a":"b"}', {}],
    ['/functions/bytes', '1', {}],
    ['/functions/fails', '1', {}],
    ['/functions/large', '1', {}],
    ['/functions/page', '1', { 'x-name': 'plain' }],
    ['/functions/counts', '1', {}],
    ['/functions/counts', '1', { accept: 'text/event-stream' }],
    ['/functions/breaks', '1', {}],
    ['/batch', BATCH, {}],
    ['/functions/echo/batch', '[{"input":1}]', {}],
  ];
  for (const [path, body, headers] of cases) {
    const number = worker.send(path, body, headers);
    const over = await overHttp(socket, path, body, headers);
    expect([path, body, headers, compared(await worker.answer(number))]).toEqual([path, body, headers, compared(over)]);
  }
});

describe('what HTTP has no match for', () => {
  const start = async (): Promise<NestedWorker> => {
    const config = { pools: { default: { workers: 2 } }, limits: { responseMaxBytes: 100_000 } };
    return await nestedWorker(await startGateway(config, { project: nestedProject(FUNCTIONS) }));
  };

  test('a line that is malformed is answered, and the next call is well', async () => {
    const worker = await start();
    const head = (path: unknown, headers: unknown): string => `${JSON.stringify({ path, headers })}\n1`;
    const path = '/functions/echo';
    const lines: [message: string, status: number, detail: string][] = [
      ['', 400, 'no line with its path and headers'],
      [head(path, {}).trimEnd().replaceAll('\n', ''), 400, 'no line with its path and headers'],
      ['{"path"\n1', 400, 'no JSON object: "{\\"path\\""'],
      ['[]\n1', 400, 'its path is no text'],
      ['null\n1', 400, 'no JSON object'],
      [head(1, {}), 400, 'its path is no text'],
      [head('echo', {}), 400, 'its path is no text that begins with /'],
      [head('/functions/é', {}), 400, 'is ASCII'],
      [head(path, []), 400, 'its headers are no object'],
      [head(path, { a: 1 }), 400, 'the value of its header "a" is no text'],
      [head(path, { 'Content-Type': 'x' }), 400, '"Content-Type" is not in lower case'],
      [head(path, { a: 'x\r\ny' }), 400, 'its header "a" holds a control character'],
      [head(path, { a: 'x'.repeat(16_384) }), 431, 'larger than 16384 bytes: http.headersMaxBytes'],
      ['x'.repeat(16_385), 431, 'larger than 16384 bytes: http.headersMaxBytes'],
    ];
    for (const [message, status, detail] of lines) {
      const answer = await worker.answer(worker.sendMessage(message));
      expect([answer.status, JSON.parse(answer.body).detail]).toEqual([status, expect.stringContaining(detail)]);
      expect(answer.headers).toMatchObject({ 'content-type': 'application/problem+json' });
    }
    expect(await worker.call(path, 'still there')).toMatchObject({ status: 200, body: '"still there"' });
  });

  test('a header’s bytes reach a script as they were sent', async () => {
    const worker = await start();
    const { body } = await worker.call('/functions/page', 1, { 'x-name': 'Zoë 😀', ...JSON_TYPE });
    expect(JSON.parse(body)).toEqual(['Zoë 😀', 'POST', '127.0.0.1']);
  });

  test('a stream longer than an answer may be is refused, and its PHP stopped', async () => {
    const worker = await start();
    expect(JSON.parse((await worker.call('/functions/endless', 1)).body)).toMatchObject({
      code: 'response-too-large',
      detail: expect.stringContaining('more than 100000 bytes'),
      executed: 'yes',
    });
  });

  test('a stream whose failure only a broken connection could tell is answered with that failure', async () => {
    const worker = await start();
    const answer = await worker.call('/functions/breaks', 1, { accept: 'application/json' });
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([500, 'function-error']);
  });
});

describe('who waits for whom', () => {
  const functionOf = (gateway: Gateway, name: string) =>
    gateway
      .pools()
      .flatMap(({ functions }) => functions)
      .find((fn) => fn.name === name);

  const PATIENT = 'timeoutMs: 20_000, queueTimeoutMs: 20_000';
  const HOLD = {
    // Tells its id, and holds its worker.
    hold: [
      `file_put_contents("$input/id.new", $call->id); rename("$input/id.new", "$input/id"); ${untilFile('"$input/go"')} return 1;`,
      PATIENT,
    ],
    inner: ['if ($input !== null) touch("$input/ran"); return 1;', PATIENT],
  } as const;

  /** A function that holds the only worker, and the header with which its calls come. */
  const holding = async (): Promise<{
    gateway: Gateway;
    worker: NestedWorker;
    folder: string;
    held: Promise<unknown>;
    caller: Headers;
    goOn: () => void;
    ran: () => boolean;
  }> => {
    const folder = openFolder();
    const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project: nestedProject(HOLD) });
    const worker = await nestedWorker(gateway);
    const held = gateway.invoke('hold', folder);
    await until('it runs', () => existsSync(join(folder, 'id')));
    const caller = { 'fpm-gateway-caller': `${readFileSync(join(folder, 'id'), 'utf8')} hold` };
    const goOn = (): void => writeFileSync(join(folder, 'go'), '');
    return { gateway, worker, folder, held, caller, goOn, ran: () => existsSync(join(folder, 'ran')) };
  };

  const waits = async (gateway: Gateway): Promise<void> =>
    await until('the inner call waits', () => functionOf(gateway, 'inner')?.waiting === 1);

  test('a call for which all workers wait gets one in reserve', async () => {
    const { worker, caller, held, goOn } = await holding();
    expect(await worker.call('/functions/inner', null, caller)).toMatchObject({ status: 200, body: '1' });
    goOn();
    await held;
  });

  test('one function more than limits.callDepthMax is refused with its path', async () => {
    const { worker, caller, held, goOn } = await holding();
    const deep = { 'fpm-gateway-caller': `${caller['fpm-gateway-caller']}${',inner'.repeat(7)}` };
    const unknown = { 'fpm-gateway-caller': `01900000-0000-7000-8000-000000000001 a${',b'.repeat(7)}` };
    goOn();
    await held;
    for (const headers of [deep, unknown]) {
      const { status, body } = await worker.call('/functions/inner', null, headers);
      expect([status, JSON.parse(body).code]).toEqual([508, 'call-depth-exceeded']);
    }
  });

  test.each(['cancels', 'dies', 'ends the call it was made in'])(
    'a worker that %s: what waits never runs',
    async (how) => {
      const { gateway, worker, folder, held, goOn, ran } = await holding();
      const number = worker.send('/functions/inner', JSON.stringify(folder));
      await waits(gateway);
      if (how === 'cancels') worker.cancel(number);
      else if (how === 'dies') worker.die();
      else worker.end();
      await until('it waits no more', () => functionOf(gateway, 'inner')?.waiting === 0);
      goOn();
      await held;
      expect([functionOf(gateway, 'inner')?.calls, ran(), worker.isAnswered(number)]).toEqual([0, false, false]);
    },
  );

  test('a worker that cancels a call it wants done whatever happens: it runs', async () => {
    const { gateway, worker, folder, held, goOn, ran } = await holding();
    const number = worker.send('/functions/inner', JSON.stringify(folder), { 'on-disconnect': 'finish' });
    await waits(gateway);
    worker.cancel(number);
    goOn();
    await held;
    await until('it has run', () => functionOf(gateway, 'inner')?.calls === 1);
    expect([ran(), worker.isAnswered(number)]).toEqual([true, false]);
  });

  test('a gateway that stops serves what its running calls call, and nobody else', async () => {
    const { gateway, worker, caller, held, goOn } = await holding();
    const closed = gateway.close();
    expect((await worker.call('/functions/inner', null)).status).toBe(503);
    expect((await worker.call('/functions/inner', null, caller)).status).toBe(200);
    goOn();
    await held;
    await closed;
  });
});
