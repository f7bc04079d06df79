import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { handler, writeProject } from '../support/project.ts';

test('a form made in process that is refused while it is read leaves nothing unhandled', async () => {
  const project = writeProject({
    'functions/up.php': handler('return 1;'),
    'schemas/up.ts': `
      import { z } from 'zod';
      import { defineFunction, file } from 'fpm-gateway/contract';
      export default defineFunction({ output: z.int(), input: z.strictObject({
        f: file({ maxBytes: 10, mediaTypes: ['*/*'] }) }) });`,
  });
  const gateway = await startGateway({}, { project });
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
