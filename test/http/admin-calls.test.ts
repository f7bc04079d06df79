/** Calls under way, as operators see and end them: at the admin listener and with the command. */
import { describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { callUrl } from '../support/call.ts';
import { eachEngine } from '../support/engines.ts';
import { startTestServer } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw } from '../support/raw-http.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

interface Listed {
  readonly calls: readonly {
    readonly id: string;
    readonly function: string;
    readonly phase: string;
    readonly traceId: string;
    readonly sinceMs: number;
    readonly remainingMs: number;
  }[];
  readonly truncated: boolean;
}

const listed = async ({ adminUrl }: Server): Promise<Listed> =>
  (await (await fetch(`${adminUrl}/admin/calls`)).json()) as Listed;

const cancel = async ({ adminUrl }: Server, id: string): Promise<Response> =>
  await fetch(`${adminUrl}/admin/calls/${id}/cancel`, { method: 'POST' });

const UNKNOWN = '00000000-0000-7000-8000-000000000000';
const ENV = { FPMG_POOLS__DEFAULT__WORKERS: '1' };

eachEngine(({ startTestServer }) => {
  test('a call that runs is listed with the one that waits behind it, the oldest first; cancelled, each hears so', async () => {
    const server = await startTestServer(functionsProject({ wait: [WAIT, 'timeoutMs: 600_000'] }), { env: ENV });
    const folder = openFolder();
    const held = new Held(folder, 'a');
    const runs = callUrl(server.url, 'wait', held.file);
    const pid = await held.started();
    const waits = callUrl(server.url, 'wait', new Held(folder, 'b').file);
    await until('both are under way', async () => (await listed(server)).calls.length === 2);
    const { calls, truncated } = await listed(server);
    const common = { function: 'wait', pool: 'default', sinceMs: expect.any(Number), remainingMs: expect.any(Number) };
    expect(calls).toMatchObject([
      { ...common, phase: 'running', attempt: 1, pid },
      { ...common, phase: 'queued', attempt: 0, pid: null },
    ]);
    expect(truncated).toBe(false);
    for (const { id, phase } of calls.toReversed()) {
      const answer = await cancel(server, id);
      expect([answer.status, await answer.json()]).toEqual([202, { cancelled: true, phase }]);
    }
    const [ran, waited] = [await runs, await waits];
    expect([ran.status, waited.status]).toEqual([503, 503]);
    expect(await ran.json()).toMatchObject({ code: 'cancelled', executed: 'unknown', retryable: false });
    expect(await waited.json()).toMatchObject({ code: 'cancelled', executed: 'no' });
    const trace = await (await fetch(`${server.adminUrl}/traces/${ran.headers.get('trace-id')}`)).text();
    expect(trace).toContain('"cancelled"');
    expect(await listed(server)).toEqual({ calls: [], truncated: false });
  });

  test('a caller whose connection closes ends its call, which log and trace tell', async () => {
    const lines: Record<string, unknown>[] = [];
    const take = (line: object): void => void lines.push(line as Record<string, unknown>);
    const log = { debug: take, info: take, warn: take, error: take, isLevelEnabled: () => true } as never;
    const project = functionsProject({ wait: [WAIT, 'idempotent: true'], pid: 'return getmypid();' });
    const server = await startTestServer(project, { env: ENV, log });
    const held = new Held(openFolder(), 'a');
    const caller = await openRaw(server.url);
    const body = JSON.stringify(held.file);
    caller.send(
      `POST /functions/wait HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const pid = await held.started();
    caller.socket.destroy();
    const line = (): Record<string, unknown> | undefined => lines.find(({ code }) => code === 'client-closed');
    await until('the log tells of it', () => line() !== undefined);
    const traceId = String(line()?.traceId);
    expect(await (await fetch(`${server.adminUrl}/traces/${traceId}`)).text()).toContain('"client-closed"');
    // With one worker: its slot is free again.
    expect(await (await callUrl(server.url, 'pid', null)).json()).not.toBe(pid);
    expect(held.pids).toEqual([pid]);
  });
});

describe('what cannot be cancelled', () => {
  test('an unknown call is 404 and says where ids are; only POST cancels; pages do not', async () => {
    const server = await startTestServer(functionsProject({ pid: 'return getmypid();' }), { env: ENV });
    const over = (await callUrl(server.url, 'pid', null)).headers.get('request-id') ?? '';
    for (const id of [UNKNOWN, over, '%00']) {
      const answer = await cancel(server, id);
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ code: 'not-found', detail: expect.stringContaining('/admin/calls') });
    }
    const url = `${server.adminUrl}/admin/calls/${UNKNOWN}/cancel`;
    expect((await fetch(url)).status).toBe(405);
    expect((await fetch(url, { method: 'POST', headers: { origin: 'http://elsewhere' } })).status).toBe(403);
  });
});

test('a call of a release that was replaced is listed, and cancelled', async () => {
  const server = await startTestServer(functionsProject({ wait: [WAIT, 'timeoutMs: 600_000'] }), { env: ENV });
  const held = new Held(openFolder(), 'a');
  const call = callUrl(server.url, 'wait', held.file);
  await held.started();
  await server.reload();
  const [old] = (await listed(server)).calls;
  expect((await cancel(server, old?.id ?? '')).status).toBe(202);
  expect(await (await call).json()).toMatchObject({ code: 'cancelled' });
});
