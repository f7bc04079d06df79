import { execFile } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { codes } from '../../gateway/errors.ts';
import { block, readPage, root, tableRows } from '../support/doc-blocks.ts';
import { errorRows, settingRows } from '../support/doc-tables.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { functionsProject, writeProject } from '../support/project.ts';

const run = promisify(execFile);
const node = ['--conditions=fpm-gateway-source'];
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

describe('tables are made from code', () => {
  test.each([
    ['docs/errors.md', '| Code | Status | Source | Executed | Meaning | Next step |', errorRows],
    ['docs/settings.md', '| Setting | Default | Meaning | Environment |', settingRows],
  ] as const)('%s', (page, head, rows) => {
    const current = tableRows(page, head);
    if (process.env.UPDATE_DOCS === '1')
      writeFileSync(join(root, page), readPage(page).replace(current.join('\n'), rows().join('\n')));
    else expect(current).toEqual(rows());
  });
});

test('the picture of the walk names every code a call can meet', () => {
  const picture = readPage('docs/walk.svg');
  const missing = Object.keys(codes).filter((code) => code !== 'unauthenticated' && !picture.includes(code));
  expect(missing).toEqual([]);
});

test.each(pages)('%s links only to what exists', (page) => {
  const links = [...readPage(page).matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)].map((match) => match[1] ?? '');
  expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
});

test('the function of the README works as shown', async () => {
  const project = writeProject({
    'schemas/greet.ts': block('README.md', 'ts', 'nobody-there'),
    'functions/greet.php': block('README.md', 'php', 'nobody-there'),
  });
  const input = /call greet '([^']+)'/.exec(readPage('README.md'))?.[1] ?? '';
  const args = [...node, join(root, 'gateway/cli/main.ts'), '--project', project, 'call', 'greet', input, '--local'];
  const { stdout } = await run(process.execPath, args);
  expect(stdout).toBe(block('README.md', 'json', 'Bonjour'));
});

test('programs in TypeScript and PHP, and a batch, call the function of the README as shown', async () => {
  const page = 'README.md';
  const project = writeProject({
    'schemas/greet.ts': block(page, 'ts', 'nobody-there'),
    'functions/greet.php': block(page, 'php', 'nobody-there'),
  });
  const { url } = await startTestServer(project);
  const here = (text: string): string => text.replaceAll('http://127.0.0.1:8080', url);
  writeFileSync(join(project, 'caller.ts'), `${here(block(page, 'ts', 'createClient'))} console.log(greeting);`);
  expect((await run(process.execPath, [...node, join(project, 'caller.ts')])).stdout).toBe('Hello Ada\n');
  const php = `require '${root}/gateway/php/autoload.php'; ${here(block(page, 'php', 'Client::connect'))}`;
  const { stdout } = await run('php', ['-r', php]);
  expect(stdout.split('\n').sort()).toEqual(['', 'Bonjour Bob', 'Hello Ada']);
  const batch = await run('sh', ['-c', here(block(page, 'sh', '/batch'))]);
  expect(batch.stdout.match(/"greeting":"Hello \w+"/g)?.sort()).toEqual(
    ['Ada', 'Bob', 'Eve'].map((name) => `"greeting":"Hello ${name}"`),
  );
});

test('the FastCGI client is used as its page shows', async () => {
  const project = functionsProject({ any: 'return 1;' });
  const hello = '<?php echo "Hello ", file_get_contents("php://input");';
  const page = 'docs/fastcgi.md';
  const folder = writeProject({
    'whole.ts': block(page, 'ts', 'collect('),
    'pieces.ts': block(page, 'ts', 'stream('),
    'hello.php': hello,
  });
  // The folder is ours alone; php-fpm's user must find the script in it.
  chmodSync(folder, 0o755);
  const gateway = await startGateway({ pools: { default: { workers: 4 } } }, { project });
  const socket = gateway.pools()[0]?.backends[0]?.address.replace('unix:', '') ?? '';
  // Kept connections of the gateway hold a worker each: there must be one more for the example.
  const example = async (file: string, ...args: string[]): Promise<string> =>
    (await run(process.execPath, [...node, join(folder, file), socket, join(folder, 'hello.php'), ...args])).stdout;
  const whole = await example('whole.ts');
  expect(whole).toContain('200 Hello Ada');
  expect(whole).toContain("ping: 'answered'");
  expect(await example('pieces.ts', join(folder, 'hello.php'))).toBe(`Hello ${hello}`);
});

test('the gateway in process is used as its page shows', async () => {
  const example = block('docs/development.md', 'ts', 'createGateway').replace('process.cwd()', JSON.stringify(root));
  const folder = writeProject({ 'example.ts': example });
  const { stdout } = await run(process.execPath, [...node, join(folder, 'example.ts')]);
  expect(stdout).toBe("{ hello: 'Ada' }\n200\n");
});

test('a handler is tested as its page shows', async () => {
  const [, ...lines] = block('docs/functions.md', 'php', 'Call::fake').split('\n');
  const code = lines.join('\n').replace('node_modules/fpm-gateway/dist/php', 'gateway/php');
  const { stdout } = await run(
    'php',
    ['-d', 'zend.assertions=1', '-d', 'assert.exception=1', '-r', `${code} echo 'fine';`],
    { cwd: root },
  );
  expect(stdout).toBe('fine');
});
