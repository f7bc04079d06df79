/** The client as it is published: what it imports, and that plain programs and pages can use it. */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'vite';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { openPage, startBrowser } from '../support/browser.ts';
import { buildPackage } from '../support/built.ts';
import { clientProject } from '../support/client.ts';
import { root } from '../support/doc-blocks.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';

const run = promisify(execFile);
const lifetime = wholeFile();
let dist: string;
let server: Server;

beforeAll(async () => {
  server = await startTestServer(clientProject(lifetime), {}, lifetime);
  dist = await buildPackage(lifetime);
});

/** Everything a file leads to: our files, and packages by name. */
const graph = (file: string, found = new Set<string>()): Set<string> => {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(file, 'utf8').replaceAll(/^\s*(?:\/?\*|\/\/).*$/gm, '');
  for (const [, specifier = ''] of text.matchAll(/(?:\bfrom |\bimport |\bimport\()['"]([^'"]+)['"]/g)) {
    if (!specifier.startsWith('.')) found.add(specifier);
    else if (file.endsWith('.d.ts')) graph(join(dirname(file), specifier.replace(/\.[jt]s$/, '.d.ts')), found);
    else graph(join(dirname(file), specifier), found);
  }
  return found;
};

const namesOf = (found: Set<string>): string[] => [...found].map((file) => file.replace(`${dist}/`, '')).sort();

describe('what it imports', () => {
  test('at run time: its own folder and the OpenTelemetry API, no zod and nothing of Node', () => {
    const names = namesOf(graph(join(dist, 'client/index.js')));
    expect(names.filter((name) => !name.startsWith('client/'))).toEqual(['@opentelemetry/api']);
    expect(names.length).toBeGreaterThan(10);
  });

  test('as types: besides its folder the codes of errors, so that programs need no zod', () => {
    const names = namesOf(graph(join(dist, 'client/index.d.ts')));
    expect(names.filter((name) => !name.startsWith('client/'))).toEqual(['errors.d.ts']);
  });

  test('a program for browsers compiles against it without types of Node', async () => {
    const program = join(dist, '..', 'page.ts');
    const code = `
      import { createClient } from './dist/client/index.js';
      interface Functions { greet: { kind: 'json'; input: { file: Blob }; output: { hello: string }; errors: {} } }
      const client = createClient<Functions>({ url: location.origin });
      export const hello: Promise<{ hello: string }> = client.call('greet', { file: new File([], 'a') });`;
    writeFileSync(program, code);
    const options = ['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2022', '--module', 'esnext'];
    const browser = ['--moduleResolution', 'bundler', '--lib', 'es2022,dom,esnext.disposable', '--types', ''];
    await run(join(root, 'node_modules/.bin/tsc'), [...options, ...browser, program]);
  });
});

test('a plain Node program uses it', async () => {
  const program = join(dist, '..', 'program.mjs');
  const code = `
    import { createClient } from './dist/client/index.js';
    const client = createClient({ url: process.argv[2] });
    console.log(JSON.stringify(await client.call('greet', { name: 'Ada' })));
    const { results } = await client.batch([{ function: 'nothing', input: {} }]);
    console.log(results[0].output);
    for await (const { n } of client.stream('count', { to: 2 })) console.log(n);`;
  writeFileSync(program, code);
  const { stdout } = await run(process.execPath, [program, server.url]);
  expect(stdout).toBe('{"hello":"Ada"}\n0\n1\n2\n');
});

interface Bundled {
  readonly code: string;
  readonly modules: readonly string[];
}

const bundle = async (): Promise<Bundled> => {
  const made = await build({
    configFile: false,
    logLevel: 'error',
    build: { write: false, lib: { entry: join(dist, 'client/index.js'), formats: ['es'] } },
  });
  const [{ output } = { output: [] }] = [made].flat() as { output: { code: string; moduleIds: string[] }[] }[];
  return { code: output.map(({ code }) => code).join(''), modules: output.flatMap(({ moduleIds }) => moduleIds) };
};

describe('in a browser', () => {
  let bundled: Bundled;

  beforeAll(async () => {
    bundled = await bundle();
  });

  test('its bundle holds no zod, and asks for nothing of Node', () => {
    const packages = bundled.modules.map((id) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(id)?.[1] ?? 'fpm-gateway');
    expect([...new Set(packages)].sort()).toEqual(['@opentelemetry/api', 'fpm-gateway']);
    expect(bundled.code).not.toMatch(/import\s*[({'"]|require\(/);
  });

  test('calls, files, streams, batches and failures work in Chromium', async () => {
    const browser = await startBrowser(lifetime);
    const page = await openPage(browser, `${server.url}/docs`);
    // The page's own policy takes scripts of its origin alone.
    await page.route('**/client.js', (route) => route.fulfill({ contentType: 'text/javascript', body: bundled.code }));
    await page.route('**/functions/nothing', (route) => route.abort('connectionrefused'));
    // As text: the test runner would rewrite the import.
    await page.evaluate("import('/client.js').then((client) => { globalThis.client = client; })");
    const told = await page.evaluate(async () => {
      type Exports = typeof import('../../gateway/client/index.ts');
      const { createClient, isCallError } = (globalThis as unknown as { client: Exports }).client;
      interface Any {
        kind: 'json';
        input: unknown;
        output: unknown;
        errors: object;
      }
      interface Functions extends Record<'greet' | 'nothing' | 'archive' | 'pixel' | 'sleep' | 'pages/go.php', Any> {
        count: { kind: 'stream'; input: unknown; output: { n: number }; errors: object };
      }
      const client = createClient<Functions>({ url: '', batching: true });
      const numbers: number[] = [];
      for await (const { n } of client.stream('count', { to: 100_000 })) {
        numbers.push(n);
        if (n === 3) break;
      }
      const [hello, pixel] = await Promise.all([
        client.call('greet', { name: 'Ada' }),
        client.call('pixel', { size: 3 }) as Promise<Blob>,
      ]);
      const nobody = await client.tryCall('greet', { name: 'nobody' });
      const aborted = await client.tryCall('sleep', { ms: 60_000 }, { signal: AbortSignal.timeout(100) });
      const moved = await client.tryCall('pages/go.php', {});
      const unreachable = await client.tryCall('nothing', {});
      return {
        hello,
        numbers,
        pixel: [pixel.type, await pixel.text()],
        file: await client.call('archive', new Blob(['%PDF-1.4 x'], { type: 'application/pdf' })),
        codes: [nobody, aborted, moved, unreachable].map(({ error }) => [error?.code, error?.executed]),
        isCallError: isCallError(nobody.error),
      };
    });
    expect(told).toEqual({
      hello: { hello: 'Ada' },
      numbers: [1, 2, 3],
      pixel: ['image/x-test', 'xxx'],
      file: 10,
      codes: [
        ['nobody-there', 'yes'],
        ['aborted', 'unknown'],
        ['unexpected-status', 'yes'],
        ['network-failed', 'unknown'],
      ],
      isCallError: true,
    });
  });
});
