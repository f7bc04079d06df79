/** What guards the gateway itself: the memory for bodies, and the time of its event loop. */
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { Buffers, Holding } from '../../gateway/buffers.ts';
import { type Contract, defineFunction, file } from '../../gateway/contract.ts';
import { isGatewayError } from '../../gateway/errors.ts';
import { LoopLag } from '../../gateway/lag.ts';
import { startTestServer } from '../support/gateway.ts';
import { inputServer } from '../support/input-server.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { until } from '../support/until.ts';

const MIB = 1_048_576;
const JSON_TYPE = { 'content-type': 'application/json' };

describe('memory for bodies', () => {
  test('is taken and given back to the byte, and what does not fit changes nothing', () => {
    const buffers = new Buffers(100);
    buffers.take(60);
    buffers.take(40);
    expect(() => buffers.take(1)).toThrow(
      'There is no room in memory for 1 more bytes of this body: bodies of calls under way have 100, and limits.buffersMaxBytes is 100.',
    );
    expect(buffers.usedBytes).toBe(100);
    buffers.give(60);
    buffers.take(60);
  });

  test('is refused as overloaded, before anything ran, with the connection at its end', () => {
    try {
      new Buffers(1).assertFits(2);
      expect.unreachable();
    } catch (error) {
      if (!isGatewayError(error)) throw error;
      const { code, status, executed, retryAfterMs, headers } = error;
      expect({ code, status, executed, retryAfterMs, headers }).toEqual({
        code: 'overloaded',
        status: 503,
        executed: 'no',
        retryAfterMs: 1000,
        headers: { connection: 'close' },
      });
    }
  });

  test('of one request follows what it holds, and is given back once', () => {
    const buffers = new Buffers(100);
    const holding = new Holding(buffers);
    holding.resize(80);
    holding.resize(30);
    expect([holding.bytes, buffers.usedBytes]).toEqual([30, 30]);
    expect(() => holding.resize(101)).toThrow();
    expect([holding.bytes, buffers.usedBytes]).toEqual([30, 30]);
    holding.release();
    holding.release();
    expect([holding.bytes, buffers.usedBytes]).toEqual([0, 0]);
  });

  const anything: Contract = defineFunction({
    input: z.object({
      text: z.string().optional(),
      picture: file({ maxBytes: MIB, mediaTypes: ['text/plain'] }).optional(),
    }),
    output: z.any(),
    contents: ['json', 'form', 'multipart'],
  });
  const limits = { buffersMaxBytes: MIB, bodyMaxBytes: 600_000 };

  test('is not exceeded by a burst of bodies that would take 20 times as much, and all of it comes back', async () => {
    const server = await inputServer(anything, { limits });
    const body = JSON.stringify({ text: 'x'.repeat(500_000) });
    const post = async (): Promise<number> => {
      const response = await fetch(server.url, { method: 'POST', headers: JSON_TYPE, body }).catch(() => undefined);
      await response?.arrayBuffer().catch(() => {});
      return response?.status ?? 0;
    };
    const statuses = await Promise.all(Array.from({ length: 40 }, post));
    // 0: its answer was there before its body was sent.
    expect(statuses.filter((status) => ![200, 503, 0].includes(status))).toEqual([]);
    expect(statuses).toContain(200);
    await until('all were read', () => server.reads.ended === 40);
    expect(server.buffers.peakBytes).toBeGreaterThan(500_000);
    expect(server.buffers.peakBytes).toBeLessThanOrEqual(MIB);
    expect(server.buffers.usedBytes).toBe(0);
    expect(await post()).toBe(200);
  });

  const form = (...parts: readonly (readonly [string, string | Blob])[]): FormData => {
    const data = new FormData();
    for (const [name, value] of parts) data.append(name, value);
    return data;
  };
  const chunked = (text: string): ReadableStream<Uint8Array> => new Blob([text]).stream();
  test.each<[string, RequestInit & { duplex?: 'half' }, number]>([
    ['JSON', { headers: JSON_TYPE, body: '{"text":"a"}' }, 200],
    ['JSON in chunks', { headers: JSON_TYPE, body: chunked('{"text":"a"}'), duplex: 'half' }, 200],
    ['no JSON', { headers: JSON_TYPE, body: '{"text":' }, 400],
    ['too much JSON', { headers: JSON_TYPE, body: chunked(JSON.stringify('x'.repeat(700_000))), duplex: 'half' }, 413],
    ['a form', { body: new URLSearchParams({ text: 'a' }) }, 200],
    ['no form', { headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'text=%ff' }, 400],
    ['texts and a file', { body: form(['text', 'a'.repeat(1000)], ['picture', new Blob(['abc'])]) }, 200],
    ['a file nobody knows', { body: form(['text', 'a'.repeat(1000)], ['nobody', new Blob(['abc'])]) }, 400],
  ])('is given back behind %s', async (_what, init, status) => {
    const server = await inputServer(anything, { limits });
    const request = new Request('http://localhost/', { method: 'POST', ...init });
    expect((await server.fetch(request)).status).toBe(status);
    expect(server.buffers.usedBytes).toBe(0);
    if (status === 200) expect(server.buffers.peakBytes).toBeGreaterThan(0);
  });

  test('is given back when a caller leaves in the middle of its body', async () => {
    const server = await inputServer(anything, { limits });
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"a');
    await until('some of it is held', () => server.buffers.usedBytes === 3);
    socket.destroy();
    await until('it is given back', () => server.buffers.usedBytes === 0);
    expect(server.reads.codes).toEqual(['client-closed']);
  });

  test('is held until the call is over: the next large one is refused meanwhile, small ones and later ones are not', async () => {
    const project = functionsProject({
      hold: 'while (!is_file($input["until"])) { usleep(2000); clearstatcache(); } return strlen($input["text"]);',
      plain: 'return 1;',
    });
    const env = { FPMG_LIMITS__BUFFERS_MAX_BYTES: String(MIB), FPMG_POOLS__DEFAULT__MAX_WORKERS: '2' };
    const { url } = await startTestServer(project, { env });
    const go = join(openFolder(), 'go');
    const post = (name: string, text: string): Promise<Response> =>
      fetch(`${url}/functions/${name}`, {
        method: 'POST',
        headers: JSON_TYPE,
        body: JSON.stringify({ until: go, text }),
      });
    const large = 'x'.repeat(700_000);
    const held = post('hold', large);
    let refused: Response | undefined;
    await until('the next large one is refused', async () => {
      const response = await post('plain', large);
      if (response.status === 503) refused = response;
      else await response.arrayBuffer();
      return refused !== undefined;
    });
    expect(refused?.headers.get('connection')).toBe('close');
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused?.json()).toMatchObject({ code: 'overloaded', executed: 'no', retryable: true });
    expect((await post('plain', 'x')).status).toBe(200);
    const batch = await fetch(`${url}/functions/plain/batch`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: `${JSON.stringify({ input: { text: large } })}\n{"id":"small"}\n`,
    });
    expect(await batch.text()).toContain('"code":"overloaded"');
    writeFileSync(go, '');
    expect((await held).status).toBe(200);
    expect((await post('plain', large)).status).toBe(200);
  });
});

test('a batch that has more than fits waits for its own items, and loses none', async () => {
  const project = functionsProject({ size: 'usleep(20000); return strlen($input["text"]);' });
  const { url } = await startTestServer(project, { env: { FPMG_LIMITS__BUFFERS_MAX_BYTES: String(MIB) } });
  const item = JSON.stringify({ input: { text: 'x'.repeat(300_000) } });
  const answer = await fetch(`${url}/functions/size/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: `${item}\n`.repeat(12),
  });
  const results = (await answer.text()).trim().split('\n');
  expect(results).toHaveLength(12);
  expect(results.filter((line) => !line.includes('300000'))).toEqual([]);
});

describe('the lag of the event loop', () => {
  const watched = () => {
    let nowMs = 1000;
    const lag = new LoopLag(() => nowMs);
    return {
      lag,
      later: (ms: number) => (nowMs += ms),
    };
  };

  test('is what its timer is overdue by, and what it came late by until it comes on time', () => {
    const { lag, later } = watched();
    later(100);
    expect(lag.ms).toBe(0);
    later(600);
    lag.tick();
    later(700);
    expect(lag.ms).toBe(600);
    lag.tick();
    expect(lag.ms).toBe(600);
    later(100);
    lag.tick();
    expect(lag.ms).toBe(0);
  });

  test('is none of one stall, as when a release is loaded', () => {
    const { lag, later } = watched();
    later(2000);
    expect(lag.ms).toBe(0);
    lag.tick();
    expect(lag.ms).toBe(0);
    later(100);
    lag.tick();
    expect(lag.ms).toBe(0);
  });

  test('is none while the timer is on its way', () => {
    const { lag, later } = watched();
    later(99);
    expect(lag.ms).toBe(0);
    lag.tick();
    expect(lag.ms).toBe(0);
  });

  test('is watched while somebody asks, and again when somebody does', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const lag = new LoopLag(() => performance.now()).start();
    vi.advanceTimersByTime(6000);
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(60_000);
    expect(lag.ms).toBe(0);
    expect(vi.getTimerCount()).toBe(1);
    lag.close();
  });

  const block = (ms: number): void => {
    for (const endMs = performance.now() + ms; performance.now() < endMs; );
  };

  test('makes new calls fail at once while it is too much, and those of calls under way pass; then all is well again', async () => {
    const project = functionsProject({ one: 'return 1;' });
    // What a busy machine alone makes it late by is less.
    const { url } = await startTestServer(project, { env: { FPMG_OVERLOAD__LAG_MAX_MS: '3000' } });
    const { hostname, port } = new URL(url);
    const ask = async (...requests: readonly string[]): Promise<string[]> => {
      const sockets = requests.map(() => connect(Number(port), hostname));
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
      const answers = sockets.map(
        (socket) =>
          new Promise<string>((resolve) => {
            let text = '';
            socket.on('data', (chunk) => (text += chunk)).on('close', () => resolve(text));
          }),
      );
      // One stall is forgiven.
      block(4000);
      await new Promise((resolve) => setTimeout(resolve));
      for (const [at, socket] of sockets.entries()) socket.write(requests[at] ?? '');
      // What was written lies in the kernel, and is read when this is over.
      block(4000);
      return await Promise.all(answers);
    };
    const head = 'host: x\r\nconnection: close\r\n';
    const body = 'content-type: application/json\r\ncontent-length: 4\r\n\r\nnull';
    const inner = 'fpm-gateway-caller: 019a0000-0000-7000-8000-000000000000 outer\r\n';
    const [call = '', nested = '', ready = ''] = await ask(
      `POST /functions/one HTTP/1.1\r\n${head}${body}`,
      `POST /functions/one HTTP/1.1\r\n${head}${inner}${body}`,
      `GET /readyz HTTP/1.1\r\n${head}\r\n`,
    );
    expect(call).toMatch(/^HTTP\/1.1 503 /);
    expect(call).toMatch(/"detail":"The gateway itself is behind by \d+ ms; overload.lagMaxMs is 3000/);
    expect(call).toContain('"code":"overloaded"');
    expect(nested).toMatch(/^HTTP\/1.1 200 /);
    expect(ready).toMatch(/^HTTP\/1.1 503 [\s\S]*the gateway itself is behind by/);
    const post = () => fetch(`${url}/functions/one`, { method: 'POST', headers: JSON_TYPE, body: 'null' });
    await until('it takes calls again', async () => (await post()).status === 200);
    await until('it is ready again', async () => (await fetch(`${url}/readyz`)).status === 200);
  });
});
