import { expect, test } from 'vitest';
import type { Log } from '../../gateway/log.ts';
import { startGateway } from '../support/gateway.ts';
import { writeProject } from '../support/project.ts';
import { until } from '../support/until.ts';

test('how a script ended is in its trace, not in the log', async () => {
  const lines: string[] = [];
  const keep = (details: object, message: string): void => void lines.push(`${message} ${JSON.stringify(details)}`);
  const log: Log = { debug: () => {}, info: keep, warn: keep, error: keep };
  const project = writeProject({
    'functions/talk.php': `<?php file_put_contents('php://stderr', "said {$_GET['word']}\n"); echo 'fine';`,
    'schemas/talk.ts': `
      import { z } from 'zod';
      import { binary, defineFunction } from 'fpm-gateway/contract';
      export default defineFunction({
        input: z.strictObject({ word: z.string().max(9) }), output: binary('text/html'), script: 'talk.php', methods: ['GET'],
      });`,
  });
  const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project, log });
  const said = (word: string): boolean => lines.some((line) => line.includes(`said ${word}`));
  for (const word of ['first', 'second']) {
    await gateway.fetch(new Request(`http://localhost/functions/talk?word=${word}`));
    // One worker writes in order: what the first call left is there when the second's word is.
    await until(`${word} is in the log`, () => said(word));
  }
  expect(lines.filter((line) => line.includes('FPMG1'))).toEqual([]);
});
