/** `/docs` as HTTP: what is served, under which rules, and nothing else. What it does is tested in a browser. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { functionsProject } from '../support/project.ts';

const project = (): string => functionsProject({ any: 'return 1;' });

const FOLDER = join(import.meta.dirname, '..', '..', 'gateway', 'http', 'docs');
const MODULES = readdirSync(FOLDER).filter((name) => name !== 'index.html');

const at = (path: string): string => `http://localhost${path}`;

test('the page and its parts are served with their types, and run no script but their own', async () => {
  const { fetch } = await startGateway({}, { project: project() });
  for (const path of ['/docs', ...MODULES.map((name) => `/docs/${name}`)]) {
    const { status, headers } = await fetch(new Request(at(path)));
    expect([path, status]).toEqual([path, 200]);
    const extension = path.split('.')[1] ?? 'html';
    const type = { html: 'text/html', css: 'text/css', js: 'text/javascript' }[extension];
    expect([path, headers.get('content-type')]).toEqual([path, `${type}; charset=utf-8`]);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    const policy = headers.get('content-security-policy')?.split('; ') ?? [];
    expect(policy).toEqual(
      expect.arrayContaining(["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"]),
    );
    expect(policy.join()).not.toContain('unsafe');
  }
});

test('the page names no other origin, and every part it loads is one of its own', async () => {
  const { fetch } = await startGateway({}, { project: project() });
  const page = await (await fetch(new Request(at('/docs')))).text();
  const loaded = [...page.matchAll(/(?:src|href)="([^"#]+)"/g)].map((match) => match[1] ?? '');
  expect(loaded.filter((link) => /^(?:\w+:)?\/\//.test(link))).toEqual([]);
  const parts = loaded.filter((link) => link.startsWith('docs/')).map((link) => link.slice('docs/'.length));
  expect(parts.length).toBeGreaterThan(1);
  expect(parts.filter((name) => !MODULES.includes(name))).toEqual([]);
});

test('a browser that has it is told so, until it changes', async () => {
  const { fetch } = await startGateway({}, { project: project() });
  const first = await fetch(new Request(at('/docs')));
  expect(first.headers.get('cache-control')).toBe('no-cache');
  const etag = first.headers.get('etag') ?? '';
  const again = await fetch(new Request(at('/docs'), { headers: { 'if-none-match': `"other", W/${etag}` } }));
  expect([again.status, await again.text()]).toEqual([304, '']);
  const changed = await fetch(new Request(at('/docs'), { headers: { 'if-none-match': '"other"' } }));
  expect(changed.status).toBe(200);
});

test('nothing else lies below it, and only reading is allowed', async () => {
  const { fetch } = await startGateway({}, { project: project() });
  for (const path of ['/docs/', '/docs/index.html', '/docs/..%2fapp.ts', '/docs/../app.ts', '/docs/none.js'])
    expect([path, (await fetch(new Request(at(path)))).status]).toEqual([path, 404]);
  expect((await fetch(new Request(at('/docs'), { method: 'POST' }))).status).toBe(405);
  expect((await fetch(new Request(at('/docs'), { method: 'HEAD' }))).status).toBe(200);
});

test('http.docs switches it off', async () => {
  const { fetch } = await startGateway({ http: { docs: false } }, { project: project() });
  for (const path of ['/docs', '/docs/main.js'])
    expect([path, (await fetch(new Request(at(path)))).status]).toEqual([path, 404]);
});
