/** The admin listener: what it shows, and to whom. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { StartupError } from '../../gateway/startup.ts';
import { callUrl } from '../support/call.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { rawRequest } from '../support/raw-http.ts';

const file = wholeFile();
let server: Server;
let url: string;

beforeAll(async () => {
  const functions = {
    echo: "$call->log('hello'); return $input;",
    broken: "throw new \\RuntimeException('for operators');",
  };
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '1' };
  server = await startTestServer(functionsProject(functions, file), { env }, file);
  url = server.adminUrl ?? '';
});

/** Resolves with the id of its trace. */
const call = async (name: string): Promise<string> =>
  (await callUrl(server.url, name, 1)).headers.get('trace-id') ?? '';

describe('traces', () => {
  test('a trace is shown as JSON by its id', async () => {
    const traceId = await call('echo');
    const response = await fetch(`${url}/traces/${traceId}`);
    const body = (await response.json()) as { traceId: string; calls: { spans: { name: string }[] }[] };
    expect([body.traceId, body.calls.map(({ spans }) => spans.map(({ name }) => name))]).toEqual([
      traceId,
      [['echo', 'echo attempt', 'echo.php']],
    ]);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('a trace is shown as a tree to who accepts text', async () => {
    const traceId = await call('broken');
    const response = await fetch(`${url}/traces/${traceId}`, { headers: { accept: 'text/plain' } });
    const text = await response.text();
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text.split('\n')[0]).toMatch(new RegExp(`^broken 500 function-error .* trace ${traceId}$`));
    expect(text).toContain('exception RuntimeException for operators');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no colours for files and pipes
    expect(text).not.toMatch(/\x1b/);
  });

  test('the list has the newest first, without their spans', async () => {
    const older = await call('echo');
    const newer = await call('echo');
    const { traces } = (await (await fetch(`${url}/traces`)).json()) as { traces: Record<string, unknown>[] };
    expect(traces.slice(0, 2).map(({ traceId }) => traceId)).toEqual([newer, older]);
    expect(traces[0]).not.toHaveProperty('spans');
  });

  test('one that is not kept: 404', async () => {
    for (const id of ['0'.repeat(32), 'nonsense', '__proto__', '..%2f..'])
      expect((await fetch(`${url}/traces/${id}`)).status).toBe(404);
  });
});

test('pools tell their workers', async () => {
  const { pools } = (await (await fetch(`${url}/admin/pools`)).json()) as { pools: unknown[] };
  expect(pools).toEqual([expect.objectContaining({ name: 'default', kind: 'managed', workers: 1 })]);
});

test('none of it is on the public listener', async () => {
  for (const path of ['/traces', '/admin/pools', `/traces/${await call('echo')}`])
    expect((await fetch(`${server.url}${path}`)).status).toBe(404);
});

test('it is read only', async () => {
  const response = await fetch(`${url}/traces`, { method: 'POST' });
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

describe('who may ask', () => {
  test('a page that points its own name at this machine gets nothing', async () => {
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.nip.io:8081', '[::2]']) {
      const answer = await rawRequest(url, `GET /traces HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
      expect([host, answer.status, JSON.parse(answer.body).code]).toEqual([host, 421, 'misdirected-request']);
    }
    for (const host of ['localhost', 'localhost:8081', '127.0.0.1:1', '[::1]:8081'])
      expect((await rawRequest(url, `GET /traces HTTP/1.1\r\nhost: ${host}\r\n\r\n`)).status).toBe(200);
    expect((await rawRequest(url, 'GET /traces HTTP/1.1\r\n\r\n')).status).toBe(400);
    expect((await rawRequest(url, 'GET http://evil/traces HTTP/1.1\r\nhost: localhost\r\n\r\n')).status).toBe(400);
  });

  test('no other origin may read it', async () => {
    const response = await fetch(`${url}/traces`, { headers: { origin: 'https://evil.example' } });
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('with a token, only who has it, by any host name', async () => {
    const token = 'correct-horse-battery';
    const env = { FPMG_POOLS__DEFAULT__WORKERS: '1', FPMG_ADMIN__TOKEN: token, FPMG_ADMIN__HOST: '0.0.0.0' };
    const guarded = await startTestServer(functionsProject({ echo: 'return 1;' }), { env });
    const address = (guarded.adminUrl ?? '').replace('0.0.0.0', '127.0.0.1');
    const status = async (authorization?: string, host = 'gateway.internal'): Promise<number> => {
      const line = authorization === undefined ? '' : `authorization: ${authorization}\r\n`;
      const answer = await rawRequest(address, `GET /traces HTTP/1.1\r\nhost: ${host}\r\n${line}\r\n`);
      if (answer.status === 401) expect(answer.headers['www-authenticate']).toBe('Bearer');
      return answer.status;
    };
    expect(await status(`Bearer ${token}`)).toBe(200);
    expect(await status(`bearer ${token}`, 'localhost')).toBe(200);
    for (const wrong of [
      undefined,
      '',
      'Bearer',
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Basic ${token}`,
      token,
    ])
      expect([wrong, await status(wrong)]).toEqual([wrong, 401]);
  });

  test('without a token it does not bind to the network', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
      const started = startTestServer(functionsProject({ echo: 'return 1;' }), { env: { FPMG_ADMIN__HOST: host } });
      const error = await started.catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StartupError);
      expect((error as StartupError).problems).toEqual([
        expect.objectContaining({ property: 'admin.host', detail: expect.stringContaining('FPMG_ADMIN__TOKEN') }),
      ]);
    }
  });

  test('it can be turned off', async () => {
    const env = { FPMG_ADMIN__ENABLED: 'false', FPMG_POOLS__DEFAULT__WORKERS: '1' };
    expect((await startTestServer(functionsProject({ echo: 'return 1;' }), { env })).adminUrl).toBeUndefined();
  });
});
