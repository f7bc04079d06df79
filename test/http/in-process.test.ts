/** Calls with forms and scripts without a socket. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { temporaryFolder } from '../support/lifetime.ts';
import { handler, writeProject } from '../support/project.ts';

const project = (maxBytes: number): string =>
  writeProject({
    'functions/up.php': handler('return 1;'),
    'schemas/up.ts': `
      import { z } from 'zod';
      import { defineFunction, file } from 'fpm-gateway/contract';
      export default defineFunction({ output: z.int(), input: z.strictObject({
        f: file({ maxBytes: ${maxBytes}, mediaTypes: ['*/*'] }) }) });`,
    'functions/refuses.php': '<?php http_response_code(404);',
    'schemas/refuses.ts': `
      import { z } from 'zod';
      import { binary, defineFunction } from 'fpm-gateway/contract';
      export default defineFunction({ output: binary('text/html'), input: z.any(), script: 'refuses.php' });`,
  });

test('a form made in process that is refused while it is read leaves nothing unhandled', async () => {
  const gateway = await startGateway({}, { project: project(10) });
  const unhandled: unknown[] = [];
  const keep = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', keep);
  const body = new FormData();
  body.append('f', new File(['x'.repeat(300_000)], 'a.txt'));
  const response = await gateway.fetch(new Request('http://localhost/functions/up', { method: 'POST', body }));
  expect(response.status).toBe(413);
  // Rejections that nobody handles are told when the tasks of this turn are over.
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', keep);
  expect(unhandled).toEqual([]);
});

test('a file that comes when the gateway has closed is refused, and leaves no folder', async () => {
  const spoolDir = temporaryFolder();
  const gateway = await startGateway({ spoolDir }, { project: project(1_000_000) });
  await gateway.close();
  const body = new FormData();
  body.append('f', new File(['x'.repeat(500_000)], 'a.txt'));
  const response = await gateway.fetch(new Request('http://localhost/functions/up', { method: 'POST', body }));
  expect([response.status, readdirSync(spoolDir)]).toEqual([503, []]);
});

test('a script that refuses is one failed call in the traces', async () => {
  const gateway = await startGateway({}, { project: project(10) });
  await expect(gateway.invoke('refuses', {})).rejects.toMatchObject({ code: 'function-error', reason: 'status' });
  expect(gateway.tracer.ring.list(10).map((record) => record.error)).toEqual(['function-error']);
});
