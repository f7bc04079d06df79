/** What the caller and the operator of a call that met a limit learn: which, where it is set, where the time went. */
import { expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Log } from '../../gateway/log.ts';
import { silentLog } from '../../gateway/log.ts';
import { post } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';
import { anyContract, handler, writeProject } from '../support/project.ts';

const project = (): string =>
  writeProject({
    'schemas/slow.ts': anyContract('timeoutMs: 300'),
    'functions/slow.php': handler('sleep(30);'),
    'schemas/patient.ts': anyContract("timeoutMs: 20_000, handler: 'slow.php'"),
    'schemas/streamed.ts': `
import { z } from 'zod';
import { defineFunction, stream } from 'fpm-gateway/contract';
export default defineFunction({ input: z.any(), output: stream(z.any()), timeoutMs: 300, handler: 'streamed.php' });
`,
    'functions/streamed.php': handler('yield 1; sleep(30);'),
  });

const lines: Record<string, unknown>[] = [];
const log: Log = {
  ...silentLog,
  error: (details) => void lines.push(details as Record<string, unknown>),
  isLevelEnabled: () => true,
};

const start = async (http: object = {}): Promise<Gateway> =>
  await startGateway({ pools: { default: { workers: 1 } }, http }, { project: project(), log });

interface Told {
  readonly code: string;
  readonly detail: string;
}

const failed = async (gateway: Gateway, name: string, headers: Record<string, string>, peer?: string): Promise<Told> =>
  (await (await post(gateway, name, null, headers, peer)).json()) as Told;

const CALLER = { 'x-request-timeout-ms': '250' };

test('a function past its time: its own limit, and for a trusted caller where the time went', async () => {
  const gateway = await start();
  const problem = await failed(gateway, 'slow', {}, '127.0.0.1');
  expect(problem).toMatchObject({
    code: 'function-timeout',
    detail: expect.stringMatching(
      /^PHP did not answer within 300 ms \(timeoutMs in schemas\/slow\.ts\)\. Of \d+ ms: queue \d+, connect \d+, PHP \d+; attempt 1 of 3\.$/,
    ),
    timing: { totalMs: expect.any(Number), queueMs: expect.any(Number), phpMs: expect.any(Number), attempts: 1 },
  });
});

test('others learn the limit, not the load; the log has both', async () => {
  const gateway = await start();
  lines.length = 0;
  const problem = await failed(gateway, 'slow', {}, '203.0.113.9');
  expect(problem.detail).toBe('PHP did not answer within 300 ms (timeoutMs in schemas/slow.ts).');
  expect(problem).not.toHaveProperty('timing');
  expect(lines).toMatchObject([{ code: 'function-timeout', detail: problem.detail, timing: { attempts: 1 } }]);
});

test("where the caller's own word was the shorter one, it is told so by its header", async () => {
  const gateway = await start({ serverTiming: 'never' });
  const { detail, code } = await failed(gateway, 'patient', CALLER);
  expect(code).toBe('function-timeout');
  expect(detail).toMatch(/within \d+ ms \(the caller allowed 250 ms by x-request-timeout-ms\)\.$/);
  const none = await failed(gateway, 'patient', { 'grpc-timeout': '0S' });
  expect(none.code).toBe('deadline-exceeded');
  expect(none.detail).toMatch(/\(the caller allowed 0 ms by grpc-timeout\)\.$/);
});

test('a stream that is cut off in the middle tells of its limit, too', async () => {
  const gateway = await start();
  const text = await (await post(gateway, 'streamed', null)).text();
  expect(text).toMatch(/within 300 ms \(timeoutMs in schemas\/streamed\.ts\)\./);
});
