/** The shape of the code: a file imports from its own folder or a lower layer, never upward. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { expect, test } from 'vitest';

const GATEWAY = join(import.meta.dirname, '..', 'gateway');

/** Files and folders of each layer, the lowest first. */
const LAYERS: readonly (readonly string[])[] = [
  [
    'contract',
    'address',
    'buffers',
    'caller',
    'descriptors',
    'errors',
    'ids',
    'ijson',
    'lag',
    'deadline',
    'config',
    'config-pools',
    'config-values',
    'environment',
    'setting-sources',
    'settings',
    'startup',
    'disk',
    'log',
    'pieces',
    'spool',
    'upload',
    'version',
    'modules',
    'within',
  ].map((name) => `${name}.ts`),
  // Takes types alone from below: test/client/graph.test.ts.
  ['client'],
  ['fastcgi', 'trace', 'cache'],
  ['pool'],
  ['idempotency'],
  ['invoke'],
  ['jobs', 'triggers'],
  ['http', 'console', 'codegen'],
  [
    'project.ts',
    'targets.ts',
    'quiet.ts',
    'gateway.ts',
    'trial.ts',
    'release.ts',
    'releases.ts',
    'sockets.ts',
    'listeners.ts',
    'server.ts',
    'watch.ts',
    'index.ts',
    'debug',
    'cli',
  ],
];

/** The layer's member a file belongs to: `pool` for pool/worker.ts, `errors.ts` for itself. */
const memberOf = (file: string): string => file.split('/')[0] ?? file;

const layerOf = (file: string): number => LAYERS.findIndex((members) => members.includes(memberOf(file)));

interface Import {
  readonly file: string;
  readonly line: number;
  readonly target: string;
}

const importsOf = (file: string): Import[] =>
  readFileSync(join(GATEWAY, file), 'utf8')
    .split('\n')
    .flatMap((text, at) => {
      // Static ones end with `from '…'` or are bare; dynamic ones are calls.
      const specifiers = [...text.matchAll(/(?:\bfrom |^import |\bimport\()'(\.{1,2}\/[^']+)'/g)].map(
        (match) => match[1] ?? '',
      );
      return specifiers.map((specifier) => ({
        file,
        line: at + 1,
        target: relative(GATEWAY, join(GATEWAY, dirname(file), specifier)),
      }));
    });

const files = readdirSync(GATEWAY, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .sort();

test('every file has a layer', () => {
  expect(files.filter((file) => layerOf(file) === -1)).toEqual([]);
});

test('no file imports from a higher layer, or from a neighbour folder of its own', () => {
  const wrong = files.flatMap(importsOf).filter(({ file, target }) => {
    if (target.startsWith('..') || layerOf(target) > layerOf(file)) return true;
    // Two folders of one layer know nothing of each other; the lowest layer and the composition root are one each.
    const separate = layerOf(file) > 0 && layerOf(file) < LAYERS.length - 1;
    return separate && layerOf(target) === layerOf(file) && memberOf(target) !== memberOf(file);
  });
  expect(wrong.map(({ file, line, target }) => `gateway/${file}:${line} imports gateway/${target}`)).toEqual([]);
});

test('the check sees imports at all', () => {
  expect(files.flatMap(importsOf).length).toBeGreaterThan(100);
  expect(files.flatMap(importsOf)).toContainEqual(
    expect.objectContaining({ file: 'server.ts', target: 'trace/export.ts' }),
  );
});
