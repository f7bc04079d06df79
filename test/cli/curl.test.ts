/** The curl commands of the banner. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { curlCommand } from '../../gateway/cli/curl.ts';
import { binary, type Contract, file, stream } from '../../gateway/contract.ts';
import { resolveFunction } from '../../gateway/invoke/function.ts';
import { resolveSettings } from '../../gateway/settings.ts';

const curl = (contract: Partial<Contract>, url = 'http://h:1'): string => {
  const exported = { input: z.strictObject({}), output: z.any(), ...contract };
  const settings = resolveSettings({}, {}, 'test');
  const { fn, problems } = resolveFunction({ name: 'it', file: 'schemas/it.ts', exported }, settings);
  if (fn === undefined) throw new Error(JSON.stringify(problems));
  return curlCommand(url, fn);
};

const name = z.string().max(9);
const picture = file({ maxBytes: 9, mediaTypes: ['image/png'] });

test.each<[string, Partial<Contract>, string]>([
  [
    'JSON',
    { input: z.object({ name }) },
    `-H 'content-type: application/json' -d '{"name":"a name"}' http://h:1/functions/it`,
  ],
  ['another verb', { methods: ['PUT'] }, "-X PUT -H 'content-type: application/json' -d '{}' http://h:1/functions/it"],
  [
    'a query',
    { methods: ['GET'], input: z.object({ name }) },
    "-G --data-urlencode 'name=a name' http://h:1/functions/it",
  ],
  ['a query without fields', { methods: ['GET'] }, 'http://h:1/functions/it'],
  ['a script that shows itself', { script: 'it.php', methods: ['GET', 'POST'] }, 'http://h:1/functions/it'],
  ['a form', { script: 'it.php', input: z.object({ name }) }, "--data-urlencode 'name=a name' http://h:1/functions/it"],
  ['an empty form', { script: 'it.php' }, "-d '' http://h:1/functions/it"],
  [
    'one of several scripts',
    { scripts: { folder: 'shop', files: ['a.php', 'b.php'] }, methods: ['GET'] },
    'http://h:1/functions/it/a.php',
  ],
  [
    'a file',
    { input: z.object({ name, picture }) },
    "-F 'name=a name' -F picture=@picture.png http://h:1/functions/it",
  ],
  ['files', { input: z.object({ all: z.array(picture).max(2) }) }, "-F 'all[]=@all.png' http://h:1/functions/it"],
  [
    'a body that is a file',
    { input: picture },
    "-H 'content-type: image/png' --data-binary @file.png http://h:1/functions/it",
  ],
  ['a stream', { output: stream(z.any()), methods: ['GET'] }, '-N http://h:1/functions/it'],
  ['bytes', { output: binary('application/pdf'), methods: ['GET'] }, '-o it.pdf http://h:1/functions/it'],
  ['a page', { output: binary('text/html'), methods: ['GET'] }, 'http://h:1/functions/it'],
])('%s', (_what, contract, command) => {
  expect(curl(contract)).toBe(`curl -sS ${command}`);
});

test('over a unix socket', () => {
  expect(curl({ methods: ['GET'] }, 'unix:/run/it.sock')).toBe(
    'curl -sS --unix-socket /run/it.sock http://localhost/functions/it',
  );
});
