/** The programs of the page on the TypeScript client: they compile, and do what it says. */
import { execFile } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import type { ClientCode } from '../../gateway/client/index.ts';
import { blocks, cells, root, tableRows } from '../support/doc-blocks.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { writeProject } from '../support/project.ts';

const run = promisify(execFile);
const page = 'docs/typescript-client.md';
const lifetime = wholeFile();
let folder: string;

const generated = `
export interface Functions {
  echo: { kind: 'json'; input: { name: string }; output: { hello: string }; errors: {} };
}`;

beforeAll(async () => {
  const server = await startTestServer(root, {}, lifetime);
  const programs = blocks(page, 'ts').map((text) => [
    /^\/\/ (\S+)/.exec(text)?.[1] ?? 'unnamed',
    text.replaceAll('http://127.0.0.1:8080', server.url),
  ]);
  folder = writeProject({ ...Object.fromEntries(programs), 'generated/functions.d.ts': generated }, lifetime);
  cpSync(join(root, 'schemas'), join(folder, 'schemas'), { recursive: true });
});

test('all of them compile', async () => {
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.json'), include: ['*.ts'] }),
  );
  await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder]);
});

test.each([
  ['calls.ts', 'Ada 6\n'],
  ['errors.ts', 'no words in 2 characters\n1 yes\n'],
  ['streams.ts', /^\d{4,} bytes\n$/],
  ['batches.ts', /^Ada\nno-words yes\nfalse\n(?:\d (?:Ada|Eve|Bob)\n){3}$/],
  ['batching.ts', 'Ada and Eve\n'],
])('%s', async (file, expected) => {
  const { stdout } = await run(process.execPath, ['--conditions=fpm-gateway-source', join(folder, file)]);
  expect(stdout).toMatch(expected);
});

test('the codes of the client are listed', () => {
  const listed = tableRows(page, '| code | meaning | executed |').map((row) => cells(row)[0]);
  const codes: Record<ClientCode, true> = {
    'network-failed': true,
    'client-timeout': true,
    aborted: true,
    'cut-off': true,
    'incompatible-gateway': true,
    'unreadable-answer': true,
    'unexpected-status': true,
    'unsendable-input': true,
  };
  expect(listed.filter((code) => code !== '')).toEqual(Object.keys(codes));
});
