/** One trace for each call, from the caller's span to PHP's, and who may choose its id. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { trustsPeer } from '../../gateway/http/peer.ts';
import { newSpanId, newTraceId } from '../../gateway/ids.ts';
import type { SpanRecord, TraceRecord } from '../../gateway/trace/record.ts';
import { type RingEntry, TraceRing } from '../../gateway/trace/ring.ts';
import { formatTraceparent, parseTraceparent } from '../../gateway/trace/traceparent.ts';
import { parentBasedAlwaysOn, Tracer } from '../../gateway/trace/tracer.ts';
import { renderTrace } from '../../gateway/trace/tree.ts';
import { post } from '../support/call.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { CONTROLS } from '../support/terminal.ts';
import { Gate } from '../support/told-handlers.ts';

const file = wholeFile();
/** Open once the first attempt has lost its worker. */
const crashed = new Gate(file);
const traces: TraceRecord[] = [];
let gateway: Gateway;

beforeAll(async () => {
  const functions = {
    echo: 'return $call->traceparent();',
    talk: "$call->log(\"half way\\e[31m\", ['at' => 1], 'warn'); error_log('to stderr'); throw new \\DomainException('it broke');",
    flaky: [
      `if (!file_exists('${crashed.file}')) { touch('${crashed.file}'); posix_kill(getmypid(), 9); } return $call->traceparent();`,
      'idempotent: true',
    ],
  } as const;
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '2' };
  const onTrace = (record: TraceRecord): void => void traces.push(record);
  ({ gateway } = await startTestServer(functionsProject(functions, file), { env, onTrace }, file));
});

const traced = async (
  name: string,
  headers: Record<string, string> = {},
  peer?: string,
): Promise<{ response: Response; record: TraceRecord }> => {
  traces.length = 0;
  const response = await post(gateway, name, 1, headers, peer);
  const [record] = traces;
  if (record === undefined || traces.length !== 1) throw new Error(`${traces.length} traces`);
  return { response, record };
};

const spansOf = ({ spans }: TraceRecord, suffix: string): SpanRecord[] =>
  spans.filter(({ name }) => name.endsWith(suffix));

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const CALLER = `00-${TRACE_ID}-b7ad6b7169203331-01`;

describe('a call', () => {
  test('is one trace: server, attempt and PHP, each the parent of the next', async () => {
    const { response, record } = await traced('echo');
    const [server, attempt, php] = record.spans;
    expect(record.spans.map(({ name, kind }) => [name, kind])).toEqual([
      ['echo', 'server'],
      ['echo attempt', 'client'],
      ['echo.php', 'internal'],
    ]);
    expect(server?.parentSpanId).toBeUndefined();
    expect(attempt?.parentSpanId).toBe(server?.spanId);
    expect(php?.parentSpanId).toBe(attempt?.spanId);
    for (const span of record.spans) {
      expect(span.spanId).toMatch(/^[0-9a-f]{16}$/);
      expect(span.startMs).toBeGreaterThanOrEqual(record.startMs);
      expect(span.endMs).toBeGreaterThanOrEqual(span.startMs);
      expect(span.endMs).toBeLessThanOrEqual(record.endMs);
    }
    expect(response.headers.get('trace-id')).toBe(record.traceId);
    // What PHP may send on is this trace, with PHP's own span as the parent.
    expect(await response.json()).toBe(`00-${record.traceId}-${php?.spanId}-01`);
  });

  test('tells its phases and the facts of the request in the words of the conventions', async () => {
    const { record } = await traced('echo', { 'user-agent': 'tester/1', 'x-request-id': 'order-1' }, '127.0.0.1');
    const number = expect.any(Number);
    expect(record.spans[0]?.attributes).toEqual({
      'client.address': '127.0.0.1',
      'faas.invocation_id': record.callId,
      'faas.trigger': 'http',
      'fpm_gateway.attempts': 1,
      'fpm_gateway.connect_ms': number,
      'fpm_gateway.output_ms': number,
      'fpm_gateway.php_ms': number,
      'fpm_gateway.queue_ms': number,
      'fpm_gateway.request_id': 'order-1',
      'fpm_gateway.validate_ms': number,
      'http.request.body.size': 1,
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'http.route': '/functions/{name}',
      'url.path': '/functions/echo',
      'url.scheme': 'http',
      'user_agent.original': 'tester/1',
    });
    expect(record.spans[2]?.attributes).toMatchObject({ 'process.pid': number, 'fpm_gateway.php.cpu_ms': number });
  });

  test('whose first attempt fails has two attempts side by side', async () => {
    crashed.close();
    const { response, record } = await traced('flaky');
    expect(response.status).toBe(200);
    const [first, second] = spansOf(record, ' attempt');
    expect(spansOf(record, ' attempt')).toHaveLength(2);
    expect([first?.parentSpanId, second?.parentSpanId]).toEqual([record.spans[0]?.spanId, record.spans[0]?.spanId]);
    expect([first?.error, second?.error]).toEqual(['worker-crashed', undefined]);
    expect([first?.attributes['fpm_gateway.attempt'], second?.attributes['fpm_gateway.attempt']]).toEqual([1, 2]);
    expect(spansOf(record, '.php').map(({ parentSpanId }) => parentSpanId)).toEqual([second?.spanId]);
    expect(record.spans[0]?.events.map(({ name }) => name)).toEqual(['retry']);
    expect(record.spans[0]?.attributes['fpm_gateway.attempts']).toBe(2);
    expect(record.error).toBeUndefined();
  });

  test('that fails keeps what PHP said: log lines, STDERR and the exception', async () => {
    const { record } = await traced('talk');
    const [php] = spansOf(record, '.php');
    const [attempt] = spansOf(record, ' attempt');
    expect(php?.events).toEqual([
      {
        name: 'log',
        atMs: expect.any(Number),
        attributes: { 'log.severity': 'warn', 'log.message': 'half way\u001b[31m', 'log.context': '{"at":1}' },
      },
      {
        name: 'exception',
        atMs: expect.any(Number),
        attributes: {
          'exception.type': 'DomainException',
          'exception.message': 'it broke',
          'exception.stacktrace': expect.any(String),
        },
      },
    ]);
    expect(attempt?.events).toEqual([
      expect.objectContaining({
        name: 'stderr',
        attributes: expect.objectContaining({ 'log.message': expect.stringContaining('to stderr') }),
      }),
    ]);
    expect([record.error, attempt?.error, php?.error]).toEqual(['function-error', 'function-error', 'exception']);
    expect(record.spans[0]?.events).toEqual([
      expect.objectContaining({
        name: 'error',
        attributes: expect.objectContaining({ 'fpm_gateway.code': 'function-error' }),
      }),
    ]);
  });

  test('as a tree for terminals, holds nothing that steers them', async () => {
    const { record } = await traced('talk');
    const plain = renderTrace(record, false);
    expect(plain).not.toMatch(CONTROLS);
    expect(plain).toContain('half way');
    expect(plain).toContain('exception DomainException');
    expect(plain.split('\n')[0]).toMatch(/^talk 500 function-error .* trace [0-9a-f]{32}$/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are wanted here
    expect(renderTrace(record, true)).toMatch(/\x1b\[31m/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: but none of PHP's
    expect(renderTrace(record, true)).not.toMatch(/half way\x1b/);
  });

  test('with an unknown name or verb makes no span name of the caller’s text', async () => {
    const { record } = await traced('no-such-thing');
    expect([record.function, record.spans.map(({ name }) => name)]).toEqual(['unknown function', ['unknown function']]);
    traces.length = 0;
    await gateway.fetch(new Request('http://localhost/functions/echo', { method: 'PROPFIND' }));
    expect(traces[0]?.spans[0]?.attributes).toMatchObject({
      'http.request.method': '_OTHER',
      'http.request.method_original': 'PROPFIND',
      'error.type': 'method-not-allowed',
    });
  });

  test('is not harmed by a listener that throws', async () => {
    const fails = (): void => {
      throw new Error('on purpose');
    };
    const failing = new Tracer(new TraceRing(1), parentBasedAlwaysOn, [fails], true);
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const trace = failing.begin({ callId: 'c', function: 'f', caller: undefined, trusted: true });
    expect(failing.end(trace, undefined).function).toBe('f');
    expect((await warned).message).toBe('on purpose');
  });
});

describe("a caller's trace context", () => {
  test.each([undefined, '127.0.0.1', '::1', '::ffff:127.0.0.9'])('is continued from %s', async (peer) => {
    const { response, record } = await traced('echo', { traceparent: CALLER }, peer);
    expect([record.traceId, record.parentSpanId, record.link]).toEqual([TRACE_ID, 'b7ad6b7169203331', undefined]);
    expect(record.spans[0]?.parentSpanId).toBe('b7ad6b7169203331');
    expect(await response.json()).toContain(`00-${TRACE_ID}-`);
  });

  test.each(['203.0.113.7', '10.0.0.1', '2001:db8::1', 'fe80::1%eth0', 'unknown'])(
    'from %s is linked, in a trace of our own',
    async (peer) => {
      const { record } = await traced('echo', { traceparent: CALLER }, peer);
      expect(record.traceId).not.toBe(TRACE_ID);
      expect([record.parentSpanId, record.link]).toEqual([
        undefined,
        { traceId: TRACE_ID, spanId: 'b7ad6b7169203331' },
      ]);
    },
  );

  test('says whether to sample only where it is trusted', async () => {
    const unsampled = CALLER.replace(/01$/, '00');
    expect((await traced('echo', { traceparent: unsampled }, '127.0.0.1')).record.sampled).toBe(false);
    expect((await traced('echo', { traceparent: unsampled }, '203.0.113.7')).record.sampled).toBe(true);
    const { response } = await traced('echo', { traceparent: unsampled }, '127.0.0.1');
    expect(await response.json()).toMatch(/-00$/);
  });

  test.each([
    ['none', undefined],
    ['empty', ''],
    ['noise', 'nonsense'],
    ['upper case', CALLER.toUpperCase()],
    ['a trace id of zeros', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`],
    ['a span id of zeros', `00-${TRACE_ID}-${'0'.repeat(16)}-01`],
    ['version ff', CALLER.replace(/^00/, 'ff')],
    ['a short trace id', CALLER.replace('0af', '')],
    ['a long span id', CALLER.replace('-01', '0-01')],
    ['no flags', CALLER.slice(0, -3)],
    ['version 00 with more', `${CALLER}-more`],
    ['two of them', `${CALLER}, ${CALLER}`],
    ['a later version that runs on', CALLER.replace(/^00/, '01').concat('more')],
    ['letters beyond hex', CALLER.replace('0af', '0xz')],
  ])('that is malformed starts a new trace: %s', (_what, header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });

  test.each([
    ['version 00', CALLER, true],
    ['unsampled', CALLER.replace(/01$/, '00'), false],
    ['other flags', CALLER.replace(/01$/, 'ff'), true],
    ['a later version', CALLER.replace(/^00/, 'cc'), true],
    ['a later version with more fields', `${CALLER.replace(/^00/, 'cc')}-what-the-future-brings`, true],
    ['spaces around it', ` ${CALLER} `, true],
  ])('is read: %s', (_what, header, sampled) => {
    const context = parseTraceparent(header);
    expect(context).toEqual({ traceId: TRACE_ID, spanId: 'b7ad6b7169203331', sampled });
    if (context !== undefined) expect(parseTraceparent(formatTraceparent(context))).toEqual(context);
  });

  test('is continued from a network that the config names', async () => {
    const config = { pools: { default: { workers: 1 } }, http: { trustedPeers: ['203.0.113.0/24'] } };
    const own = await startGateway(config, { project: functionsProject({ echo: 'return 1;' }) });
    const traceIdFor = async (peer: string): Promise<string | null> =>
      (await post(own, 'echo', 1, { traceparent: CALLER }, peer)).headers.get('trace-id');
    expect(await traceIdFor('203.0.113.9')).toBe(TRACE_ID);
    expect(await traceIdFor('203.0.114.9')).not.toBe(TRACE_ID);
  });

  test('sent twice starts a new trace', async () => {
    const { record } = await traced('echo', { traceparent: `${CALLER}, ${CALLER}` });
    expect(record.traceId).not.toBe(TRACE_ID);
    expect(record.link).toBeUndefined();
  });

  test('is trusted from the networks that are configured, and no others', () => {
    const trusts = trustsPeer(['10.1.0.0/16', '2001:db8:1::/48']);
    const verdicts = ['10.1.255.255', '::ffff:10.1.2.3', '2001:db8:1::9', '10.2.0.0', '2001:db8:2::1', '128.0.0.1'].map(
      trusts,
    );
    expect(verdicts).toEqual([true, true, true, false, false, false]);
    for (const odd of ['unknown', 'fe80::1%eth0', '999.1.1.1', '127.0.0.1.evil']) expect(trusts(odd)).toBe(false);
    expect([trusts(undefined), trusts('')]).toEqual([true, true]);
  });
});

test('ids are never used twice', () => {
  const ids = Array.from({ length: 20_000 }, (_, at) => (at % 2 === 0 ? newTraceId() : newSpanId()));
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.every((id, at) => id.length === (at % 2 === 0 ? 32 : 16) && /^[0-9a-f]+$/.test(id))).toBe(true);
});

describe('the ring', () => {
  const entry = (traceId: string, callId: string, textChars = 0): RingEntry => ({
    traceId,
    textChars,
    record: () => ({
      traceId,
      callId,
      function: 'f',
      sampled: true,
      parentSpanId: undefined,
      link: undefined,
      startMs: 0,
      endMs: 1,
      error: undefined,
      spans: [],
    }),
  });
  const ids = (records: readonly TraceRecord[]): string[] => records.map(({ callId }) => callId);

  test('keeps the newest and no more, however they share trace ids', () => {
    const ring = new TraceRing(3);
    expect([ring.get('a'), ring.list(10)]).toEqual([[], []]);
    for (const [traceId, callId] of [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
      ['c', '4'],
    ] as const)
      ring.add(entry(traceId, callId));
    expect(ids(ring.get('a'))).toEqual(['3']);
    expect(ids(ring.list(10))).toEqual(['4', '3', '2']);
    ring.add(entry('d', '5'));
    ring.add(entry('d', '6'));
    ring.add(entry('d', '7'));
    expect([ring.get('a'), ring.get('b'), ring.get('c')]).toEqual([[], [], []]);
    expect(ids(ring.get('d'))).toEqual(['5', '6', '7']);
    expect(ids(ring.list(2))).toEqual(['7', '6']);
    for (let at = 0; at < 1000; at += 1) ring.add(entry('one', String(at)));
    expect(ids(ring.list(10))).toEqual(['999', '998', '997']);
  });

  test('keeps fewer when their texts are long, but always the newest', () => {
    const ring = new TraceRing(500);
    for (let at = 0; at < 100; at += 1) ring.add(entry('a', String(at), 1_000_000));
    expect(ids(ring.list(500))).toEqual(['99', '98', '97', '96', '95', '94', '93', '92']);
    ring.add(entry('a', 'huge', 100_000_000));
    expect(ids(ring.list(500))).toEqual(['huge']);
    ring.add(entry('a', 'small'));
    expect(ids(ring.list(500))).toEqual(['small']);
    for (let at = 0; at < 600; at += 1) ring.add(entry('a', String(at)));
    expect(ids(ring.get('a')).slice(0, 2)).toEqual(['100', '101']);
    expect(ring.list(1000)).toHaveLength(500);
  });
});

test('a call in process joins the trace it is told, and is kept too', async () => {
  traces.length = 0;
  expect(await gateway.invoke('echo', 1, { traceparent: CALLER })).toContain(`00-${TRACE_ID}-`);
  expect(traces[0]?.parentSpanId).toBe('b7ad6b7169203331');
  expect(gateway.tracer.ring.get(TRACE_ID).map(({ callId }) => callId)).toContain(traces[0]?.callId);
  expect((await post(gateway, 'echo', 1)).status).toBe(200);
});
