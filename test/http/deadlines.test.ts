/** How long a caller waits, and what happens when it leaves. */
import { beforeAll, describe, expect, test } from 'vitest';
import { timeoutHint } from '../../gateway/http/request-rules.ts';
import type { Server } from '../../gateway/server.ts';
import type { TraceRecord } from '../../gateway/trace/record.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw, rawPost, rawRequest } from '../support/raw-http.ts';
import { Gate, Runs } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const file = wholeFile();
const runs = new Runs(file);
/** The handler `wait` runs until a test opens this gate. */
const gate = new Gate(file);
const traces: TraceRecord[] = [];
let server: Server;

beforeAll(async () => {
  const functions = {
    echo: runs.marking('return $input;'),
    wait: runs.marking(`${gate.waiting} ${runs.marking('return 1;')}`),
    budget: 'return $call->remainingMs();',
  };
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '1' };
  const onTrace = (record: TraceRecord): void => void traces.push(record);
  server = await startTestServer(functionsProject(functions, file), { env, onTrace }, file);
});

const pool = () => server.gateway.pools()[0]?.backends[0];
const idle = (): Promise<void> => until('the worker is free', () => pool()?.taken === 0);
const lastTraceOf = (code: string): TraceRecord | undefined => traces.findLast(({ error }) => error === code);

describe('hints', () => {
  const hint = (requestTimeoutMs?: string, grpcTimeout?: string, prefer?: string): number | undefined =>
    timeoutHint({ requestTimeoutMs, grpcTimeout, prefer });

  test.each<[string, number | undefined, number | undefined]>([
    ['none', hint(), undefined],
    ['milliseconds', hint('1500'), 1500],
    ['grpc hours', hint(undefined, '1H'), 3_600_000],
    ['grpc minutes', hint(undefined, '2M'), 120_000],
    ['grpc seconds', hint(undefined, '3S'), 3000],
    ['grpc milliseconds', hint(undefined, '99999999m'), 99_999_999],
    ['grpc microseconds', hint(undefined, '500u'), 0.5],
    ['grpc nanoseconds', hint(undefined, '1000n'), 0.001],
    ['Prefer', hint(undefined, undefined, 'wait=10'), 10_000],
    ['Prefer among others', hint(undefined, undefined, 'respond-async, wait=5; x=1, return=minimal'), 5000],
    ['Prefer, quoted', hint(undefined, undefined, 'wait="7"'), 7000],
    ['Prefer of another name', hint(undefined, undefined, 'nowait=7'), undefined],
    ['Prefer that makes no sense is ignored, as RFC 7240 says', hint(undefined, undefined, 'wait=soon'), undefined],
    ['the smallest of all', hint('9000', '2S', 'wait=3'), 2000],
    ['the smallest of all, another', hint('900', '2S', 'wait=3'), 900],
  ])('%s', (_what, actual, expected) => expect(actual).toBe(expected));

  test.each(['', '-1', '1.5', '1e3', ' 1', 'soon', '10, 20', '12345678901'])('X-Request-Timeout-Ms %j: 400', (text) => {
    expect(() => hint(text)).toThrow(expect.objectContaining({ code: 'bad-request', executed: 'no' }));
  });

  test.each(['', '1', 'S', '1s', '-1S', '123456789m', '1.5S'])('grpc-timeout %j: 400', (text) => {
    expect(() => hint(undefined, text)).toThrow(expect.objectContaining({ code: 'bad-request', executed: 'no' }));
  });
});

test.each([
  { 'x-request-timeout-ms': '0' },
  { 'grpc-timeout': '0S' },
  { prefer: 'wait=0' },
  { 'x-request-timeout-ms': '5000', 'grpc-timeout': '0m' },
])('no time at all: 504, and nothing runs (%j)', async (headers) => {
  const before = runs.count;
  const answer = await rawRequest(server.url, rawPost('/functions/echo', '1', headers));
  expect([answer.status, JSON.parse(answer.body)]).toEqual([
    504,
    expect.objectContaining({ code: 'deadline-exceeded', executed: 'no' }),
  ]);
  await idle();
  expect(runs.count).toBe(before);
});

test('garbage as a time limit: 400, and nothing runs', async () => {
  const before = runs.count;
  for (const headers of [{ 'x-request-timeout-ms': 'soon' }, { 'grpc-timeout': '5' }]) {
    const answer = await rawRequest(server.url, rawPost('/functions/echo', '1', headers));
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([400, 'bad-request']);
  }
  expect(runs.count).toBe(before);
});

test('PHP is told the smallest limit', async () => {
  const headers = { 'x-request-timeout-ms': '20000', 'grpc-timeout': '7S', prefer: 'wait=9' };
  const answer = await rawRequest(server.url, rawPost('/functions/budget', '1', headers));
  expect(Number(answer.body)).toBeLessThanOrEqual(7000);
  expect(Number(answer.body)).toBeGreaterThan(1000);
});

describe('callers that leave', () => {
  /** Occupies the only worker; resolves when its handler runs. */
  const occupy = async (): Promise<Awaited<ReturnType<typeof openRaw>>> => {
    gate.close();
    const before = runs.count;
    const busy = await openRaw(server.url);
    busy.send(rawPost('/functions/wait', '1'));
    await until('the handler runs', () => runs.count === before + 1);
    return busy;
  };

  /** Resolves when what was sent before waits: a call behind it has waited too, and run out of time. */
  const allWait = async (): Promise<void> => {
    const answer = await rawRequest(server.url, rawPost('/functions/echo', '1', { 'x-request-timeout-ms': '1' }));
    expect(answer.status).toBe(504);
  };

  test('while their call waits: it never runs', async () => {
    const busy = await occupy();
    const before = runs.count;
    traces.length = 0;
    const leaving = await openRaw(server.url);
    leaving.send(rawPost('/functions/echo', '1'));
    const staying = await openRaw(server.url);
    staying.send(rawPost('/functions/echo', '2'));
    await allWait();
    leaving.socket.destroy();
    await until('the gateway has noticed', () => lastTraceOf('client-closed') !== undefined);
    expect(lastTraceOf('client-closed')?.spans).toHaveLength(1);
    gate.open();
    expect((await busy.answer()).body).toBe('1');
    expect((await staying.answer()).body).toBe('2');
    // The end of `wait` and the one that stayed.
    expect(runs.count).toBe(before + 2);
  });

  test('while several pipelined calls wait: none of them runs', async () => {
    const busy = await occupy();
    const before = runs.count;
    traces.length = 0;
    const leaving = await openRaw(server.url);
    leaving.send(Buffer.concat(Array.from({ length: 5 }, () => rawPost('/functions/echo', '1'))));
    await allWait();
    leaving.socket.destroy();
    await until('the gateway has noticed', () => traces.filter(({ error }) => error === 'client-closed').length === 5);
    gate.open();
    expect((await busy.answer()).body).toBe('1');
    await idle();
    expect(runs.count).toBe(before + 1);
  });

  test('while their call runs: it runs to its end, and the gateway goes on', async () => {
    const busy = await occupy();
    const before = runs.count;
    busy.socket.destroy();
    gate.open();
    await until('it has ended', () => runs.count === before + 1);
    await idle();
    expect((await rawRequest(server.url, rawPost('/functions/echo', '3'))).body).toBe('3');
  });

  test('in the middle of their body: nothing runs', async () => {
    const before = runs.count;
    traces.length = 0;
    const leaving = await openRaw(server.url);
    leaving.send(rawPost('/functions/echo', '[1,', { 'content-length': '100' }));
    leaving.socket.end();
    await until('the gateway has noticed', () => lastTraceOf('client-closed') !== undefined);
    expect(runs.count).toBe(before);
  });
});
