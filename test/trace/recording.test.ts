/** `trace.enabled`: what calls have without their traces, and what operators are told. */
import { expect, test } from 'vitest';
import { parseTraceparent } from '../../gateway/trace/traceparent.ts';
import { callUrl } from '../support/call.ts';
import { exportingTo, startCollector } from '../support/collector.ts';
import { serve } from '../support/command.ts';
import { startTestServer } from '../support/gateway.ts';
import { functionsProject } from '../support/project.ts';
import { until } from '../support/until.ts';

const project = (): string => functionsProject({ echo: 'return $call->traceparent();' });
const OFF = { FPMG_TRACE__ENABLED: 'false', FPMG_POOLS__DEFAULT__WORKERS: '1' };
const ASKED = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test('off: callers and PHP still share an id, and the admin listener says why there is nothing to see', async () => {
  const server = await startTestServer(project(), { env: OFF, onTrace: () => expect.unreachable() });
  const own = await callUrl(server.url, 'echo', 1);
  const told = parseTraceparent((await own.json()) as string);
  expect(own.headers.get('trace-id')).toBe(told?.traceId);
  // Nobody records this trace, so nobody behind PHP need do so.
  expect(told?.sampled).toBe(false);
  expect(await (await callUrl(server.url, 'echo', 1, { traceparent: ASKED })).json()).toBe(ASKED);
  const list = (await (await fetch(`${server.adminUrl}/traces`)).json()) as object;
  const why = 'No traces are kept: recording is off (trace.enabled, FPMG_TRACE__ENABLED).';
  expect(list).toEqual({ recording: false, detail: why, export: null, traces: [] });
  const one = await fetch(`${server.adminUrl}/traces/${own.headers.get('trace-id')}`);
  expect([one.status, ((await one.json()) as { detail: string }).detail]).toEqual([404, why]);
});

test('off: phases are measured all the same for callers who are shown them', async () => {
  const env = { ...OFF, FPMG_HTTP__SERVER_TIMING: 'always' };
  const { url } = await startTestServer(project(), { env });
  const header = (await callUrl(url, 'echo', 1)).headers.get('server-timing');
  expect(header).toMatch(/^validate;dur=[\d.]+, queue;dur=[\d.]+, connect;dur=[\d.]+, php;dur=[\d.]+, output;dur=/);
});

test('off: nothing is exported, and the log says that a collector waits in vain', async () => {
  const collector = await startCollector();
  const cli = await serve('start', project(), { env: exportingTo(collector.url, OFF) });
  expect((await callUrl(cli.url, 'echo', 1)).status).toBe(200);
  cli.child.kill('SIGTERM');
  expect(await cli.exit).toBe(0);
  expect(collector.posts).toEqual([]);
  expect(cli.events()).toContainEqual(
    expect.objectContaining({ level: 40, setting: 'trace.enabled', msg: 'no traces are exported: recording is off' }),
  );
});

test('on: the admin listener tells how far the export has come', async () => {
  const collector = await startCollector();
  const { url, adminUrl } = await serve('start', project(), { env: exportingTo(collector.url) });
  const status = async () => (await (await fetch(`${adminUrl}/traces`)).json()) as Record<string, unknown>;
  expect(await status()).toEqual({
    recording: true,
    export: { waiting: 0, sent: 0, dropped: 0, failed: 0 },
    traces: [],
  });
  for (let at = 0; at < 3; at += 1) expect((await callUrl(url, 'echo', at)).status).toBe(200);
  await until('all are sent', async () => ((await status()).export as { sent: number }).sent === 3);
  expect((await status()).export).toEqual({ waiting: 0, sent: 3, dropped: 0, failed: 0 });
  expect(collector.spans()).toHaveLength(9);
});
