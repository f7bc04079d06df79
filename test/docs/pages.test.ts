/** The examples and lists of the pages on scripts, uploads, streams and migrating. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { moduleImporter } from '../../gateway/modules.ts';
import { loadProject } from '../../gateway/project.ts';
import { block, blocks, cells, readPage, root, tableRows } from '../support/doc-blocks.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { writeProject } from '../support/project.ts';

const start = async (files: Readonly<Record<string, string>>): Promise<Gateway> =>
  await startGateway({ pools: { default: { workers: 2 } } }, { project: writeProject(files) });

const send = async (gateway: Gateway, path: string, init: RequestInit = {}): Promise<Response> =>
  await gateway.fetch(new Request(`http://localhost/functions/${path}`, init));

/** The function whose contract and PHP a page shows. */
const shown = async (page: string, name: string): Promise<Gateway> =>
  await start({
    [`schemas/${name}.ts`]: block(page, 'ts', `// schemas/${name}.ts`),
    [`functions/${name}.php`]: block(page, 'php', `// functions/${name}.php`),
  });

describe('scripts', () => {
  const page = 'docs/scripts.md';

  test('the example shows itself, sets a cookie, redirects and reads the cookie', async () => {
    const gateway = await shown(page, 'contact');
    expect(await (await send(gateway, 'contact')).text()).toContain('<h1>Hello you</h1>');
    const body = new URLSearchParams({ name: 'Ada & Co', copies: '2', newsletter: 'on' });
    const answer = await send(gateway, 'contact', { method: 'POST', body });
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/functions/contact']);
    const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const greeted = await send(gateway, 'contact', { headers: { cookie } });
    expect(await greeted.text()).toContain('<h1>Hello Ada &amp; Co</h1>');
  });

  test('texts become what the table says', async () => {
    const rows = tableRows(page, '| contract | `f=` | input |').map(cells);
    const members = rows.map(([schema], at) => `f${at}: ${schema}`).join(', ');
    const gateway = await start({
      'schemas/it.ts': `
        import { z } from 'zod';
        import { defineFunction } from 'fpm-gateway/contract';
        export default defineFunction({ input: z.strictObject({ ${members} }), output: z.any(), methods: ['GET'] });`,
      'functions/it.php': '<?php return fn (array $input) => $input;',
    });
    const query = new URLSearchParams(Object.fromEntries(rows.map(([, text], at) => [`f${at}`, text ?? ''])));
    const expected = rows.map(([, , value], at) => [`f${at}`, JSON.parse(value ?? '')]);
    expect(rows.length).toBeGreaterThan(8);
    expect(await (await send(gateway, `it?${query}`)).json()).toEqual(Object.fromEntries(expected));
  });

  test('the lists of headers are those of the code', () => {
    const listed = (file: string, start: string): string[] => {
      const code = readFileSync(join(root, 'gateway', file), 'utf8');
      const list = code.slice(code.indexOf(start)).split(']')[0] ?? '';
      return [...list.matchAll(/'([a-z-]+)'/g)].map(([, name = '']) => name);
    };
    const [requestAlways, responseAlways] = [...readPage(page).matchAll(/^\| always \| (.+) \|$/gm)];
    const fromTrusted = /^\| from trusted peers \| (.+) \|$/m.exec(readPage(page));
    const names = (row: RegExpExecArray | RegExpMatchArray | null | undefined): string[] =>
      (row?.[1] ?? '').replaceAll('`', '').split(' ');
    expect(names(requestAlways)).toEqual(listed('http/script-view.ts', 'const USUAL'));
    expect(names(fromTrusted)).toEqual(listed('http/script-view.ts', 'const OF_PROXIES'));
    expect(names(responseAlways)).toEqual(listed('invoke/script-answer.ts', 'const USUAL'));
  });
});

test('the example of uploads takes what its page sends', async () => {
  const gateway = await shown('docs/uploads.md', 'attach');
  const body = new FormData();
  body.append('title', 'Terms');
  body.append('document', new File(['Be kind.'], 'terms.txt', { type: 'text/plain' }));
  const pixel = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
  for (const name of ['a.gif', 'b.gif']) body.append('pictures[]', new File([pixel], name, { type: 'image/gif' }));
  const answer = await send(gateway, 'attach', { method: 'POST', body });
  expect([answer.status, await answer.json()]).toEqual([200, { name: 'terms.txt', bytes: 8, pictures: 2 }]);
});

describe('streams', () => {
  const page = 'docs/streams.md';

  test('each format is as its page shows', async () => {
    const gateway = await shown(page, 'countdown');
    const types = { ndjson: 'application/x-ndjson', sse: 'text/event-stream', json: 'application/json' };
    for (const [language, accept] of Object.entries(types)) {
      const answer = await send(gateway, 'countdown?from=2', { headers: { accept } });
      expect(answer.headers.get('content-type')).toBe(accept);
      expect((await answer.text()).trimEnd()).toBe(blocks(page, language)[0]?.trimEnd());
    }
  });

  test('in process, its items are iterated', async () => {
    const gateway = await shown(page, 'countdown');
    const items: unknown[] = [];
    for await (const item of (await gateway.invoke('countdown', { from: 1 })) as AsyncIterable<unknown>)
      items.push(item);
    expect(items).toEqual([{ left: 1 }, { left: 0 }]);
  });
});

test('the contracts of migrating load', async () => {
  const imports = `
    import { binary, defineFunction, file } from 'fpm-gateway/contract';
    import { z } from 'zod';\n`;
  const contracts = blocks('docs/migrating.md', 'ts');
  const files = contracts.flatMap((contract) => {
    const name = /schemas\/(\w+)\.ts/.exec(contract)?.[1] ?? '';
    return [
      [`schemas/${name}.ts`, imports + contract],
      [`functions/${name}.php`, '<?php'],
    ];
  });
  const folder = writeProject(Object.fromEntries(files));
  const { registry } = await loadProject({ folder, env: {}, importModule: moduleImporter(0) });
  expect([registry.problems, registry.warnings]).toEqual([[], []]);
  expect(registry.functions.size).toBe(contracts.length);
});

describe('batches', () => {
  const page = 'docs/batch.md';

  test('the example gives the results that the page shows', async () => {
    const { gateway } = await startTestServer(root);
    const items = [...block(page, 'sh', 'printf').matchAll(/'(\{.*\})'/g)].map(([, item]) => item);
    const body = items.join('\n');
    const headers = { 'content-type': 'application/x-ndjson' };
    const answer = await gateway.fetch(new Request('http://localhost/batch', { method: 'POST', headers, body }));
    const told = (text: string): string[] =>
      text
        .trim()
        .split('\n')
        .map(
          (line) =>
            /^\{"id":"\w","index":\d,"status":"\w+","(?:output":\{"\w+":(?:\d+|"\w+")|error":\{)/.exec(line)?.[0] ??
            line,
        )
        .sort();
    expect(items.length).toBe(3);
    expect(told(await answer.text())).toEqual(told(block(page, 'ndjson', 'validation-failed')));
  });

  test('the members of results and items are those of the OpenAPI document', async () => {
    const { gateway } = await startTestServer(root);
    const answer = await gateway.fetch(new Request('http://localhost/openapi.json'));
    const { components } = (await answer.json()) as { components: { schemas: Record<string, { properties: object }> } };
    const named = (head: string): string[] =>
      tableRows(page, head).flatMap((row) => [...(cells(row)[0] ?? '').matchAll(/[a-zA-Z]+/g)].map(([name]) => name));
    expect(named('| member of an item | |').sort()).toEqual(
      Object.keys(components.schemas.BatchItem?.properties ?? {}).sort(),
    );
    const results = Object.keys(components.schemas.BatchResult?.properties ?? {});
    expect(results.filter((name) => !readPage(page).includes(name))).toEqual([]);
  });
});
