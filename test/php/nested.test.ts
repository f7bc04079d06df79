/** What a call that a function makes carries with it: who is outside of it, how deep it is, whether anybody waits. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newCallId, newTraceId } from '../../gateway/ids.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder } from '../support/lifetime.ts';
import { nestedProject } from '../support/nested.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw, rawPost, rawRequest } from '../support/raw-http.ts';
import { until } from '../support/until.ts';

const OUTER = "explode(' ', (string) ($_SERVER['FPMG_CALL'] ?? getenv('FPMG_CALL')))[2] ?? null";
const POOL = { pools: { default: { workers: 3 } } };

eachEngine(({ startGateway, startTestServer }) => {
  test('PHP is told the functions outside of its call, outermost first', async () => {
    const project = nestedProject({
      a: `return [${OUTER}, ask($call, 'b', null)[1]];`,
      b: `return [${OUTER}, ask($call, 'c', null)[1]];`,
      c: `return ${OUTER};`,
    });
    const gateway = await startGateway(POOL, { project });
    expect(await gateway.invoke('a', null)).toEqual([null, ['a', 'a,b']]);
  });

  test('a script is told its call and its own name, in getenv() alone', async () => {
    const project = nestedProject({
      a: "return ask($call, 'page', null, ['content-type' => 'application/json']);",
      'schemas/page.ts': `
      import { z } from 'zod';
      import { defineFunction } from 'fpm-gateway/contract';
      export default defineFunction({ script: 'page.php', input: z.any(), output: z.any() });`,
      'functions/page.php': `<?php
      header('content-type: application/json');
      echo json_encode([getenv('FPMG_FUNCTION'), explode(' ', getenv('FPMG_CALL')), preg_grep('/^FPMG_/', array_keys($_SERVER)), getenv('FPMG_GATEWAY')]);`,
    });
    const gateway = await startGateway(POOL, { project });
    const [status, [name, [budgetMs, traceparent, outer], inServer, address]] = (await gateway.invoke('a', null)) as [
      number,
      [string, [string, string, string], object, string],
    ];
    expect([status, name, outer]).toEqual([200, 'page', 'a']);
    expect(Number(budgetMs)).toBeGreaterThan(0);
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    expect(inServer).toEqual([]);
    expect(address).toMatch(/^unix:\/.*internal.*\.sock$/);
  });

  test('nested calls are of one trace, each with its path', async () => {
    const project = nestedProject({
      a: "return ask($call, 'b', null)[1];",
      b: "return ask($call, 'c', null)[1];",
      c: 'return 1;',
    });
    const gateway = await startGateway(POOL, { project });
    const traceId = newTraceId();
    await gateway.invoke('a', null, { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    const traces = gateway.tracer.ring.get(traceId);
    const paths = traces.map(({ function: name, spans }) => [name, spans[0]?.attributes['fpm_gateway.call_path']]);
    expect(Object.fromEntries(paths)).toEqual({ a: undefined, b: 'a,b', c: 'a,b,c' });
  });

  test('one more function than limits.callDepthMax is refused with the path and the cycle', async () => {
    const project = nestedProject({
      ping: "return $input === 0 ? 0 : ask($call, 'pong', $input - 1)[1];",
      pong: "return $input === 0 ? 0 : ask($call, 'ping', $input - 1)[1];",
    });
    const config = { pools: { default: { workers: 4 } }, limits: { callDepthMax: 3 } };
    const gateway = await startGateway(config, { project });
    expect(await gateway.invoke('ping', 2)).toBe(0);
    expect(await gateway.invoke('ping', 3)).toMatchObject({
      status: 508,
      code: 'call-depth-exceeded',
      executed: 'no',
      detail:
        'ping → pong → ping → pong is 4 functions deep; limits.callDepthMax is 3 (in deploy/gateway.config.ts). The cycle: ping → pong → ping.',
    });
  });

  test('a malformed caller is refused', async () => {
    const server = await startTestServer(functionsProject({ f: 'return 1;' }));
    const answer = await rawRequest(server.url, rawPost('/functions/f', 'null', { 'fpm-gateway-caller': 'f' }));
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([400, 'bad-request']);
  });

  test('what a stranger says of its caller is nobody’s word', async () => {
    const gateway = await startGateway(POOL, { project: functionsProject({ f: `return ${OUTER};` }) });
    const headers = { 'content-type': 'application/json', 'fpm-gateway-caller': `${newCallId()} a,b` };
    const request = new Request('http://localhost/functions/f', { method: 'POST', body: 'null', headers });
    const stranger = await gateway.fetch(request.clone(), { peer: '203.0.113.9' });
    expect(await stranger.json()).toBe(null);
    expect(await (await gateway.fetch(request)).json()).toBe('a,b');
  });

  test('on-disconnect: finish: the call runs though its caller has long gone', async () => {
    const go = join(openFolder(), 'go');
    const project = functionsProject({
      hold: 'while (!file_exists($input)) { usleep(1000); clearstatcache(); } return 1;',
      note: 'return $input;',
    });
    const server = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '1' } });
    const { gateway } = server;
    const held = gateway.invoke('hold', go);
    const functionStatus = (name: string) => gateway.pools()[0]?.functions.find((fn) => fn.name === name);
    await until('the worker is taken', () => functionStatus('hold')?.running === 1);
    for (const headers of [{}, { 'on-disconnect': 'finish' }]) {
      const connection = await openRaw(server.url);
      connection.send(rawPost('/functions/note', '"x"', headers));
      await until('it waits', () => functionStatus('note')?.waiting === 1);
      connection.socket.destroy();
      if ('on-disconnect' in headers) continue;
      await until('it left', () => functionStatus('note')?.waiting === 0);
    }
    writeFileSync(go, '');
    await held;
    await until('it ran', () => functionStatus('note')?.calls === 1);
  });

  test('a caller that sends and closes in one breath is heard', async () => {
    const server = await startTestServer(functionsProject({ note: 'return $input;' }));
    const connection = await openRaw(server.url);
    connection.socket.end(rawPost('/functions/note', '"x"', { 'on-disconnect': 'finish' }));
    connection.socket.destroySoon();
    await until('it ran', () => server.gateway.pools()[0]?.functions[0]?.calls === 1);
  });

  test.each([
    ['cancel', undefined, 'on-disconnect is "cancel": it must be finish, or left out.'],
    ['finish', '203.0.113.9', 'is taken from unix sockets, loopback and http.trustedPeers only'],
  ])('on-disconnect: %s from %s is refused', async (value, peer, detail) => {
    const gateway = await startGateway(POOL, { project: functionsProject({ f: 'return 1;' }) });
    const headers = { 'content-type': 'application/json', 'on-disconnect': value };
    const request = new Request('http://localhost/functions/f', { method: 'POST', body: 'null', headers });
    const answer = await gateway.fetch(request, { peer });
    expect(await answer.json()).toMatchObject({ code: 'bad-request', detail: expect.stringContaining(detail) });
  });

  test('a client that says its protocol hears ours, in problems too; another one is refused; nobody else is told', async () => {
    const gateway = await startGateway(POOL, { project: functionsProject({ f: 'return 1;' }) });
    const send = async (name: string, protocol: string | undefined): Promise<unknown[]> => {
      const headers = { 'content-type': 'application/json', ...(protocol && { 'fpm-gateway-protocol': protocol }) };
      const request = new Request(`http://localhost/functions/${name}`, { method: 'POST', body: 'null', headers });
      const answer = await gateway.fetch(request);
      const body = (await answer.json()) as { code?: string };
      return [answer.status, answer.headers.get('fpm-gateway-protocol'), body.code];
    };
    expect(await send('f', '1')).toEqual([200, '1', undefined]);
    expect(await send('absent', '1')).toEqual([404, '1', 'not-found']);
    expect(await send('f', '2')).toEqual([400, '1', 'protocol-mismatch']);
    expect(await send('f', '1, 1')).toEqual([400, '1', 'protocol-mismatch']);
    expect(await send('f', undefined)).toEqual([200, null, undefined]);
  });
});
