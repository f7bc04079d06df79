import { expect, test } from 'vitest';
import type { Log } from '../../gateway/log.ts';
import { post } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';
import { functionsProject } from '../support/project.ts';

test('what a handler logs reaches the log of the gateway with its level, its call and its trace', async () => {
  const lines: unknown[] = [];
  const keep =
    (level: string) =>
    (details: object, message: string): void =>
      void lines.push({ level, message, ...details });
  const log: Log = { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
  const project = functionsProject({ talk: "$call->log('careful', ['at' => 1], 'warn'); return $call->id;" });
  const gateway = await startGateway({}, { project, log });
  const response = await post(gateway, 'talk', null);
  const callId = await response.json();
  expect(lines).toContainEqual({
    level: 'warn',
    message: 'careful',
    function: 'talk',
    context: { at: 1 },
    callId,
    traceId: response.headers.get('trace-id'),
  });
});
