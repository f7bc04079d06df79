/** What callers get back: results, errors, headers and the pages beside the functions. */
import { chmodSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Code, codes, GatewayError } from '../../gateway/errors.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { problemBody, problemHeaders } from '../../gateway/http/problem.ts';
import { post } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { endGroup } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { rawFpm, runtime } from '../support/raw-fpm.ts';
import { Gate } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const file = wholeFile();
const gate = new Gate(file);
let gateway: Gateway;

beforeAll(async () => {
  const waiting = `${gate.waiting} return 1;`;
  const functions = {
    echo: ['return $input;', "summary: 'Gives back what it gets'"],
    bytes: ['return new Binary("\\x00\\xff\\r\\n\\r\\nabc", "image/png");', "output: binary('image/png')"],
    picky: [
      "throw $input === 'gone' ? new Failure('gone', null) : new Failure('no-lines', ['number' => 'A1'], 'There are no lines.');",
      "errors: { 'no-lines': z.object({ number: z.string() }), gone: { status: 410, data: z.null() } }",
    ],
    broken: "throw new \\RuntimeException('secret of the database');",
    big: ["return '12';", 'output: z.string().transform((text) => BigInt(text))'],
    list: ['return 1;', 'input: z.array(z.int())'],
    wait: [waiting, 'inFlightMax: 2, queueTimeoutMs: 60000'],
    'wait-more': [waiting, 'queueTimeoutMs: 60000'],
    impatient: ['return 1;', 'queueTimeoutMs: 1'],
    updated: ['return 1;', "methods: ['PUT', 'DELETE']"],
  } as const;
  const config = { pools: { default: { workers: 2, queueMax: 3 } }, limits: { bodyMaxBytes: 2_000_000 } };
  gateway = await startGateway(config, { project: functionsProject(functions, file) }, file);
});

const get = async (path: string, init: RequestInit = {}): Promise<Response> =>
  await gateway.fetch(new Request(`http://localhost${path}`, init));

const problem = async (response: Response): Promise<Record<string, unknown>> => {
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  return (await response.json()) as Record<string, unknown>;
};

describe('results', () => {
  test('JSON comes with its type, unsniffed and uncached, with ids to find it again', async () => {
    const response = await post(gateway, 'echo', { a: 1 }, { 'x-request-id': 'order-7' });
    expect(Object.fromEntries(response.headers)).toEqual({
      'cache-control': 'no-store',
      'content-type': 'application/json',
      'request-id': 'order-7',
      'server-timing': expect.stringMatching(
        /^validate;dur=[\d.]+, queue;dur=[\d.]+, connect;dur=[\d.]+, php;dur=[\d.]+, output;dur=[\d.]+$/,
      ),
      'trace-id': expect.stringMatching(/^[0-9a-f]{32}$/),
      'x-content-type-options': 'nosniff',
    });
    expect(await response.text()).toBe('{"a":1}');
  });

  test('without a request id of the caller, the call id is the request id', async () => {
    const response = await post(gateway, 'broken', {});
    const { instance } = await problem(response);
    expect(instance).toBe(`urn:uuid:${response.headers.get('request-id')}`);
  });

  test('null is a result', async () => {
    expect(await (await post(gateway, 'echo', null)).text()).toBe('null');
  });

  test('bytes come as they are, with their type', async () => {
    const response = await post(gateway, 'bytes', {});
    expect(response.headers.get('content-type')).toBe('image/png');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.from('\x00\xff\r\n\r\nabc', 'latin1'));
  });

  test('bytes are refused to who accepts only JSON, and the other way round', async () => {
    expect((await post(gateway, 'bytes', {}, { accept: 'application/json' })).status).toBe(406);
    expect((await post(gateway, 'bytes', {}, { accept: 'image/*' })).status).toBe(200);
  });

  test('other verbs are served where the contract lists them', async () => {
    const init = { headers: { 'content-type': 'application/json' }, body: '{}' };
    expect((await get('/functions/updated', { ...init, method: 'PUT' })).status).toBe(200);
    expect((await get('/functions/updated', { ...init, method: 'DELETE' })).status).toBe(200);
    const refused = await get('/functions/updated', { ...init, method: 'POST' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'PUT, DELETE']);
  });
});

describe('errors', () => {
  test('a declared error reaches the caller typed', async () => {
    const response = await post(gateway, 'picky', {});
    expect([response.status, await problem(response)]).toEqual([
      422,
      {
        type: 'about:blank',
        title: expect.any(String),
        status: 422,
        detail: 'There are no lines.',
        instance: expect.stringMatching(/^urn:uuid:/),
        code: 'no-lines',
        source: 'function',
        executed: 'yes',
        retryable: false,
        traceId: response.headers.get('trace-id'),
        data: { number: 'A1' },
      },
    ]);
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  test('a declared error has the status its contract gives it', async () => {
    const response = await post(gateway, 'picky', 'gone');
    expect([response.status, (await problem(response)).code]).toEqual([410, 'gone']);
  });

  test('what PHP said stays inside', async () => {
    const response = await post(gateway, 'broken', {});
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).toContain('function-error');
    expect(text).not.toContain('secret');
    expect(text).not.toContain('.php');
  });

  test('an output that JSON has no word for is the fault of the contract, not of the gateway', async () => {
    const response = await post(gateway, 'big', {});
    expect([response.status, await problem(response)]).toEqual([
      500,
      expect.objectContaining({ code: 'contract-error', executed: 'yes' }),
    ]);
  });

  test('100,000 broken rules make a small answer that says it is cut', async () => {
    const response = await post(gateway, 'list', Array(100_000).fill('x'));
    const text = await response.text();
    const { code, errors, truncated, executed } = JSON.parse(text) as Record<string, unknown>;
    expect([response.status, code, truncated, executed]).toEqual([422, 'validation-failed', true, 'no']);
    expect(errors).toHaveLength(20);
    expect(text.length).toBeLessThan(20_000);
  });

  test('a few broken rules are all told, with pointers', async () => {
    const body = await problem(await post(gateway, 'list', [1, 'x', 2.5]));
    expect(body.errors).toEqual([
      { pointer: '/1', detail: expect.any(String), keyword: 'invalid_type' },
      { pointer: '/2', detail: expect.any(String), keyword: 'invalid_type' },
    ]);
    expect(body).not.toHaveProperty('truncated');
  });

  test('load is refused with the time to come back', async () => {
    gate.close();
    const running = [post(gateway, 'wait', 1), post(gateway, 'wait', 2)];
    await until('both run', () => gateway.pools()[0]?.backends[0]?.taken === 2);
    const refusal = async (name: string): Promise<unknown[]> => {
      const response = await post(gateway, name, 1);
      const { code, executed, retryable } = await problem(response);
      const retryAfter = Number(response.headers.get('retry-after'));
      expect(retryAfter).toBeGreaterThanOrEqual(1);
      return [response.status, code, executed, retryable];
    };
    expect(await refusal('wait')).toEqual([429, 'concurrency-limit', 'no', true]);
    expect(await refusal('impatient')).toEqual([503, 'queue-timeout', 'no', true]);
    const queued = [1, 2, 3].map(() => post(gateway, 'wait-more', 1));
    expect(await refusal('wait-more')).toEqual([503, 'overloaded', 'no', true]);
    gate.open();
    for (const response of await Promise.all([...running, ...queued])) expect(response.status).toBe(200);
  });

  test.each(Object.keys(codes) as Code[])('%s explains itself', async (code) => {
    const error = new GatewayError(code, 'Because.', { retryAfterMs: 100 });
    const { status, title, mend } = codes[code];
    expect(problemBody(error, { callId: undefined, traceId: undefined, expose: false })).toMatchObject({
      type: `/errors/${code}`,
      code,
      status,
      title,
      retryable: error.retryable,
    });
    // People read these: sentences, not fragments.
    for (const sentence of [title, mend]) expect(sentence).toMatch(/^[A-Z].{10,}\.$/);
    expect(Number(problemHeaders(error)['retry-after'])).toBeGreaterThanOrEqual(1);
    const page = await get(`/errors/${code}`);
    expect([page.status, await page.json()]).toEqual([200, { code, ...codes[code] }]);
  });

  test('every code of the table is thrown somewhere', async () => {
    const { readFile } = await import('node:fs/promises');
    const folder = join(import.meta.dirname, '..', '..', 'gateway');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && file !== 'errors.ts',
    );
    const source = (await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))).join('\n');
    expect(Object.keys(codes).filter((code) => !source.includes(`'${code}'`))).toEqual([]);
  });
});

describe('pages', () => {
  test('/functions lists each with its schemas', async () => {
    const { functions } = (await (await get('/functions')).json()) as { functions: Record<string, unknown>[] };
    expect(functions.map(({ name }) => name)).toContain('picky');
    expect(functions.find(({ name }) => name === 'echo')).toMatchObject({
      summary: 'Gives back what it gets',
      methods: ['POST'],
      contents: ['json'],
      files: {},
      pool: 'default',
      idempotent: false,
    });
    expect(functions.find(({ name }) => name === 'bytes')).toMatchObject({ output: { mediaType: 'image/png' } });
    expect(functions.find(({ name }) => name === 'picky')).toMatchObject({
      errors: { 'no-lines': { status: 422 }, gone: { status: 410 } },
    });
  });

  test('pages are not cached or sniffed, and answer HEAD', async () => {
    for (const path of ['/functions', '/openapi.json', '/healthz', '/readyz', '/errors/overloaded']) {
      const response = await get(path, { method: 'HEAD' });
      expect([path, response.status, await response.text()]).toEqual([path, 200, '']);
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    }
  });

  test('an unknown error code has no page', async () => {
    for (const code of ['nonsense', '__proto__', 'constructor']) {
      const response = await get(`/errors/${code}`);
      expect([response.status, (await problem(response)).code]).toEqual([404, 'not-found']);
    }
  });
});

describe('readiness', () => {
  test('a gateway that stops is alive, not ready, and refuses calls', async () => {
    const project = functionsProject({ echo: 'return 1;' });
    const stopping = await startGateway({ pools: { default: { workers: 1 } } }, { project });
    const ready = async (path: string): Promise<Response> =>
      await stopping.fetch(new Request(`http://localhost${path}`));
    expect((await ready('/readyz')).status).toBe(200);
    await stopping.close();
    expect((await ready('/healthz')).status).toBe(200);
    const response = await ready('/readyz');
    expect([response.status, await response.json()]).toEqual([
      503,
      { status: 'not ready', detail: 'the gateway is stopping' },
    ]);
    const refused = await post(stopping, 'echo', {});
    expect([refused.status, await problem(refused)]).toEqual([
      503,
      expect.objectContaining({ code: 'shutting-down', executed: 'no', retryable: true }),
    ]);
    expect(refused.headers.get('retry-after')).toMatch(/^[1-9]/);
  });

  test('a gateway whose pool is gone is not ready, and is again when the pool is back', async () => {
    const folder = openFolder();
    const address = `${folder}/fpm.sock`;
    const fpm = await rawFpm(folder, [address], 1);
    const project = functionsProject({ echo: 'return 1;' });
    chmodSync(project, 0o755);
    const pools = { default: { address: `unix:${address}`, workers: 1, root: project, runtime } };
    const own = await startGateway({ pools }, { project });
    const ready = async (): Promise<[number, unknown]> => {
      const response = await own.fetch(new Request('http://localhost/readyz'));
      return [response.status, await response.json()];
    };
    expect(await ready()).toEqual([200, { status: 'ready' }]);
    endGroup(fpm.pid);
    await until('it is not ready', async () => {
      await post(own, 'echo', {}, { 'x-request-timeout-ms': '100' });
      return (await ready())[0] === 503;
    });
    expect((await ready())[1]).toEqual({ status: 'not ready', detail: 'the pool default cannot be reached' });
    await rawFpm(folder, [address], 1);
    await until('it is ready again', async () => (await ready())[0] === 200);
    expect((await post(own, 'echo', {})).status).toBe(200);
  });
});

describe('server-timing', () => {
  test.each([
    ['trusted', true],
    ['always', true],
    ['never', false],
  ] as const)('%s: to a loopback caller: %s', async (serverTiming, shown) => {
    const project = functionsProject({ echo: 'return 1;' });
    const config = { pools: { default: { workers: 1 } }, http: { serverTiming } };
    const own = await startGateway(config, { project });
    expect((await post(own, 'echo', {})).headers.has('server-timing')).toBe(shown);
  });

  test('is not for peers we do not trust, unless always', async () => {
    const response = await post(gateway, 'echo', 1, {}, '203.0.113.7');
    expect([response.status, response.headers.has('server-timing')]).toEqual([200, false]);
  });
});
