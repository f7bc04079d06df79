/** Connections that are kept: how long, and that nothing on its way is cut. */
import { expect, test } from 'vitest';
import { Connection, Exchange } from '../../gateway/http/exchange.ts';
import { startTestServer } from '../support/gateway.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw } from '../support/raw-http.ts';

const post = (body: string): string =>
  `POST /functions/echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

const start = async (keepAliveTimeoutMs: number): Promise<string> => {
  const env = { FPMG_HTTP__KEEP_ALIVE_TIMEOUT_MS: String(keepAliveTimeoutMs), FPMG_POOLS__DEFAULT__WORKERS: '1' };
  return (await startTestServer(functionsProject({ echo: 'return $input;' }), { env })).url;
};

test('an idle connection is ended; callers are told how long theirs is kept', async () => {
  const connection = await openRaw(await start(1000));
  connection.send(post('1'));
  expect(await connection.answer()).toMatchObject({
    status: 200,
    headers: { connection: 'keep-alive', 'keep-alive': 'timeout=1' },
  });
  await connection.ended;
});

test('with 0 it is kept, and nothing is told', async () => {
  const connection = await openRaw(await start(0));
  connection.send(post('1'));
  expect((await connection.answer()).headers['keep-alive']).toBeUndefined();
  connection.send(post('2'));
  expect(await connection.answer()).toMatchObject({ status: 200, body: '2' });
});

test('a connection is idle since its last answer or byte, whichever is later', () => {
  const connection = new Connection(undefined);
  const exchange = new Exchange({} as never, {} as never, { peer: undefined, keepAlive: undefined });
  expect(connection.idleMs(1000, 0)).toBe(0);
  expect(connection.idleMs(3000, 0)).toBe(2000);
  // The head of a request comes slowly.
  expect(connection.idleMs(4000, 10)).toBe(0);
  connection.asked(exchange);
  expect(connection.idleMs(9000, 10)).toBe(0);
  connection.answered(exchange);
  expect(connection.idleMs(10_000, 10)).toBe(1000);
  expect(connection.idleMs(12_000, 10)).toBe(3000);
});
