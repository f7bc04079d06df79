/** What an OpenTelemetry collector receives from a running gateway. */
import { expect, test } from 'vitest';
import { samplerFromEnvironment } from '../../gateway/trace/sampler.ts';
import { exportWanted } from '../../gateway/trace/tracer.ts';
import { callUrl } from '../support/call.ts';
import { exportingTo, plain, type Span, startCollector } from '../support/collector.ts';
import { serve } from '../support/command.ts';
import { functionsProject } from '../support/project.ts';
import { until } from '../support/until.ts';

const project = (): string =>
  functionsProject({
    echo: 'return $call->traceparent();',
    talk: "$call->log('half way', ['at' => 1], 'warn'); throw new \\DomainException('it broke');",
  });

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';

test('a call arrives as it was: ids, parents, kinds, times, events, attributes, status, service', async () => {
  const collector = await startCollector();
  const { url } = await serve('start', project(), { env: exportingTo(collector.url) });
  const response = await callUrl(url, 'talk', 1, { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-01` });
  expect([response.status, response.headers.get('trace-id')]).toEqual([500, TRACE_ID]);
  await until('three spans have arrived', () => collector.spans().length === 3);
  const named = (name: string): Span => {
    const span = collector.spans().find((candidate) => candidate.name === name);
    if (span === undefined) throw new Error(`There is no span ${name}.`);
    return span;
  };
  const [server, attempt, php] = [named('talk'), named('talk attempt'), named('talk.php')];
  expect([server, attempt, php].map(({ traceId }) => traceId)).toEqual([TRACE_ID, TRACE_ID, TRACE_ID]);
  expect([server.parentSpanId, attempt.parentSpanId, php.parentSpanId]).toEqual([
    'b7ad6b7169203331',
    server.spanId,
    attempt.spanId,
  ]);
  // SERVER, CLIENT, INTERNAL; status ERROR.
  expect([server.kind, attempt.kind, php.kind]).toEqual([2, 3, 1]);
  expect([server.status.code, attempt.status.code, php.status.code]).toEqual([2, 2, 2]);
  expect(server.status.message).toBe('function-error');
  expect(plain(server.attributes)).toMatchObject({
    'http.request.method': 'POST',
    'http.route': '/functions/{name}',
    'http.response.status_code': 500,
    'url.scheme': 'http',
    'url.path': '/functions/talk',
    'error.type': 'function-error',
    'faas.trigger': 'http',
    'fpm_gateway.executed': 'yes',
  });
  expect(plain(attempt.attributes)).toMatchObject({ 'rpc.system.name': 'fastcgi', 'fpm_gateway.attempt': 1 });
  expect(php.events.map(({ name, attributes }) => [name, plain(attributes)])).toEqual([
    ['log', { 'log.severity': 'warn', 'log.message': 'half way', 'log.context': '{"at":1}' }],
    [
      'exception',
      {
        'exception.type': 'DomainException',
        'exception.message': 'it broke',
        'exception.stacktrace': expect.any(String),
      },
    ],
  ]);
  const ns = (text: string): bigint => BigInt(text);
  for (const [outer, inner] of [
    [server, attempt],
    [attempt, php],
  ] as const) {
    expect(ns(inner.startTimeUnixNano)).toBeGreaterThanOrEqual(ns(outer.startTimeUnixNano));
    expect(ns(inner.endTimeUnixNano)).toBeLessThanOrEqual(ns(outer.endTimeUnixNano));
  }
  expect(collector.resources()[0]).toMatchObject({ 'service.name': 'fpm-gateway' });
  expect(collector.posts.every(({ path }) => path === '/v1/traces')).toBe(true);
});

test('a refused call is no error of the server; an untrusted caller is linked', async () => {
  const collector = await startCollector();
  const env = exportingTo(collector.url, {
    OTEL_RESOURCE_ATTRIBUTES: 'service.name=shop,deployment.environment.name=test',
  });
  const { url } = await serve('start', project(), { env });
  expect((await callUrl(url, 'nothing', 1)).status).toBe(404);
  await until('its span has arrived', () => collector.spans().length === 1);
  const [span] = collector.spans();
  expect([span?.name, span?.status.code ?? 0, span?.parentSpanId]).toEqual(['unknown function', 0, undefined]);
  expect(plain(span?.attributes ?? [])).toMatchObject({ 'error.type': 'not-found', 'http.response.status_code': 404 });
  expect(collector.resources()[0]).toMatchObject({ 'service.name': 'shop', 'deployment.environment.name': 'test' });
});

test('what waits is sent before the gateway ends, and nothing of a caller that does not sample', async () => {
  const collector = await startCollector();
  const env = exportingTo(collector.url, { OTEL_BSP_SCHEDULE_DELAY: '60000', OTEL_SERVICE_NAME: 'named' });
  const cli = await serve('start', project(), { env });
  const unsampled = await callUrl(cli.url, 'echo', 1, { traceparent: `00-${TRACE_ID}-b7ad6b7169203331-00` });
  expect(await unsampled.json()).toMatch(/-00$/);
  for (let at = 0; at < 300; at += 1) expect((await callUrl(cli.url, 'nothing', at)).status).toBe(404);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  const spans = collector.spans();
  expect(spans).toHaveLength(300);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(300);
  expect(spans.some(({ traceId }) => traceId === TRACE_ID)).toBe(false);
  expect(collector.resources()[0]).toMatchObject({ 'service.name': 'named' });
});

test('many calls at once: each span arrives, and once', async () => {
  const collector = await startCollector();
  // Several batches are full while others are under way; what is left goes when the gateway ends.
  const cli = await serve('start', project(), {
    env: exportingTo(collector.url, { OTEL_BSP_SCHEDULE_DELAY: '60000', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '60' }),
  });
  const callSome = async (): Promise<void> => {
    for (let at = 0; at < 100; at += 1) expect((await callUrl(cli.url, 'echo', at)).status).toBe(200);
  };
  await Promise.all(Array.from({ length: 10 }, callSome));
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  const spans = collector.spans();
  expect(spans).toHaveLength(3000);
  expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(3000);
  expect(collector.posts.length).toBeGreaterThanOrEqual(50);
  expect(cli.events().filter(({ msg }) => msg === 'traces were not exported')).toEqual([]);
});

test('no more wait than OTEL_BSP_MAX_QUEUE_SIZE, and operators are told', async () => {
  const collector = await startCollector();
  const cli = await serve('start', project(), {
    env: exportingTo(collector.url, { OTEL_BSP_SCHEDULE_DELAY: '60000', OTEL_BSP_MAX_QUEUE_SIZE: '30' }),
  });
  for (let at = 0; at < 25; at += 1) expect((await callUrl(cli.url, 'echo', at)).status).toBe(200);
  const { export: status } = (await (await fetch(`${cli.adminUrl}/traces`)).json()) as { export: unknown };
  expect(status).toEqual({ waiting: 10, sent: 0, dropped: 15, failed: 0 });
  await until('the log says so', () => cli.events().some(({ msg }) => msg === 'traces were not exported'));
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  expect(collector.spans()).toHaveLength(30);
});

test('limits of spans hold as OpenTelemetry names them', async () => {
  const collector = await startCollector();
  const env = exportingTo(collector.url, { OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '2', OTEL_SPAN_EVENT_COUNT_LIMIT: '1' });
  const { url } = await serve('start', project(), { env });
  await callUrl(url, 'talk', 1);
  await until('its spans have arrived', () => collector.spans().length === 3);
  const spans = collector.spans();
  expect(spans.map(({ attributes }) => attributes.length)).toEqual([2, 2, 2]);
  expect(spans.find(({ name }) => name === 'talk.php')?.events.map(({ name }) => name)).toEqual(['exception']);
});

test('http/protobuf arrives too', async () => {
  const collector = await startCollector();
  const env = exportingTo(collector.url, { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' });
  const { url } = await serve('start', project(), { env });
  expect((await callUrl(url, 'echo', 1)).status).toBe(200);
  await until('it has arrived', () => collector.posts.length > 0);
  expect(collector.posts[0]).toMatchObject({ path: '/v1/traces', type: 'application/x-protobuf' });
  expect(collector.posts[0]?.bytes).toBeGreaterThan(200);
});

test('always_off exports nothing, and PHP is told so', async () => {
  const collector = await startCollector();
  const cli = await serve('start', project(), {
    env: exportingTo(collector.url, { OTEL_TRACES_SAMPLER: 'always_off' }),
  });
  const response = await callUrl(cli.url, 'echo', 1);
  expect(await response.json()).toMatch(/-00$/);
  // Kept for the admin listener all the same.
  expect((await fetch(`${cli.adminUrl}/traces/${response.headers.get('trace-id')}`)).status).toBe(200);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  expect(collector.posts).toEqual([]);
});

test('an exporter nobody knows is told to operators, and calls are answered', async () => {
  const collector = await startCollector();
  const env = exportingTo(collector.url, { OTEL_TRACES_EXPORTER: 'nonsense' });
  const cli = await serve('start', project(), { env });
  expect((await callUrl(cli.url, 'echo', 1)).status).toBe(200);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  expect(cli.events()).toContainEqual(expect.objectContaining({ level: 50, OTEL_TRACES_EXPORTER: 'nonsense' }));
});

test('samplers follow the environment variables of OpenTelemetry', () => {
  const parent = (sampled: boolean) => ({ traceId: TRACE_ID, spanId: 'b7ad6b7169203331', sampled });
  const decide = (name: string | undefined, argument?: string) => {
    const env = { OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: argument };
    const sampler = samplerFromEnvironment(env);
    // A low and a high trace id: a ratio keeps the low ones.
    const ids = ['0'.repeat(31).concat('1'), 'f'.repeat(8).padEnd(32, '0')];
    return [
      ...ids.map((id) => sampler(id, undefined)),
      sampler(ids[1] ?? '', parent(true)),
      sampler(ids[0] ?? '', parent(false)),
    ];
  };
  expect(decide(undefined)).toEqual([true, true, true, false]);
  expect(decide('')).toEqual([true, true, true, false]);
  expect(decide('nonsense')).toEqual([true, true, true, false]);
  expect(decide('always_on')).toEqual([true, true, true, true]);
  expect(decide('always_off')).toEqual([false, false, false, false]);
  expect(decide('parentbased_always_off')).toEqual([false, false, true, false]);
  expect(decide('traceidratio', '0')).toEqual([false, false, false, false]);
  expect(decide('traceidratio', '1')).toEqual([true, true, true, true]);
  expect(decide('traceidratio', '')).toEqual([true, true, true, true]);
  expect(decide('traceidratio', 'half')).toEqual([true, true, true, true]);
  expect(decide('traceidratio', '0.5')).toEqual([true, false, false, true]);
  expect(decide('parentbased_traceidratio', '0.5')).toEqual([true, false, true, false]);
});

test('export is on once an endpoint is set, and off when OpenTelemetry says so', () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' };
  expect(exportWanted({})).toBe(false);
  expect(exportWanted(endpoint)).toBe(true);
  expect(exportWanted({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4318/v1/traces' })).toBe(true);
  expect(exportWanted({ OTEL_TRACES_EXPORTER: 'console' })).toBe(true);
  expect(exportWanted({ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' })).toBe(false);
  expect(exportWanted({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).toBe(false);
});
