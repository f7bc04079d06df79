/** The pages on leaks and databases, held against the code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { block, readPage, root } from '../support/doc-blocks.ts';
import { thisTest } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { type Leak, named, watch } from '../support/sentinel.ts';

const FOLDER = join(root, 'gateway/php/Resident/Leaks');
const code = readdirSync(FOLDER)
  .map((name) => readFileSync(join(FOLDER, name), 'utf8'))
  .join('\n');

test('each kind of leak is explained', () => {
  const told = [
    ...code.matchAll(/Leak::(?:of|change)\('([a-z-]+)'/g),
    ...code.matchAll(/=> \['([a-z-]+)', (?:self|\$)/g),
  ];
  const kinds = new Set(told.map(([, kind = '']) => kind));
  expect(kinds.size).toBeGreaterThan(20);
  const page = readPage('docs/leaks.md');
  expect([...kinds].filter((kind) => !page.includes(`\`${kind}\``))).toEqual([]);
});

test('the numbers of the rule are those of the code', () => {
  const page = readPage('docs/leaks.md').replaceAll(/\s+/g, ' ');
  const constant = (name: string): string =>
    Number(new RegExp(`const ${name} = ([\\d_]+);`).exec(code)?.[1]?.replaceAll('_', '')).toLocaleString('en');
  expect(page).toContain(`another value ${constant('CHANGES')} times`);
  expect(page).toContain(`a list longer ${constant('GROWTHS')} times`);
  expect(page).toContain(`more than ${constant('MAP_KEYS')} keys`);
  expect(page).toContain(
    `The first ${constant('WARMUP')} calls of a function do not count, and ${constant('QUIET')} comparisons`,
  );
  expect(page).toContain(`A map of up to ${constant('SMALL_KEYS')} keys`);
  expect(page).toContain(
    `up to ${constant('MAX_UNITS')} arrays and objects, ${constant('MAX_CHILDREN')} members of each, ${constant('MAX_DEPTH')} deep`,
  );
});

test('what the page does about a leak mends it', async () => {
  const app = `final class User { function __construct(public string $name) {} }
    ${block('docs/leaks.md', 'php', 'final class Context').split('\n')[1] ?? ''}`;
  const handler = 'Context::$user = new User("user $n");';
  expect(named((await watch({ app, handler })).leaks)).toEqual(['static Shop\\Context::$user->name']);
  const kept = `${app} \\FpmGateway\\Resets::keep('Shop\\Context::$user');`;
  expect((await watch({ app: kept, handler })).leaks).toEqual([]);
  const { worker } = await startWorker({
    lifetime: thisTest,
    bootstrap:
      'final class User { function __construct(public string $name) {} } final class Context { public static ?User $user = null; }',
    handlers: {
      mended: `return static function (array $input, Call $call): bool {
        $before = Context::$user !== null;
        Context::$user = new User($input['name']);
        ${block('docs/leaks.md', 'php', '$call->onReset')
          .split('\n')
          .find((line) => line.startsWith('$call->onReset'))}
        return $before;
      };`,
    },
  });
  await worker.prime();
  for (let call = 0; call < 30; call++) {
    const { meta, output } = await worker.call('mended', { name: `user ${call}` });
    expect([output, meta.leaks ?? []]).toEqual([false, []]);
  }
});

test('the example that is right with one call at a time and wrong with two is told as the page says', async () => {
  const { worker } = await startWorker({
    lifetime: thisTest,
    bootstrap: 'final class Context { public static ?string $user = null; }',
    handlers: { greet: block('docs/leaks.md', 'php', '// functions/greet.php') },
    concurrent: { callMemoryBytes: 262_144 },
  });
  await worker.prime();
  const names = ['Ada', 'Bob', 'Cleo', 'Dan', 'Eve', 'Finn'];
  const answers = await Promise.all(
    names.map((name) => worker.sendCall('greet', { name })).map((id) => worker.answer(id)),
  );
  expect(answers[0]?.output).toBe('Hello Finn');
  const told = answers.flatMap(({ meta }) => (meta.leaks ?? []) as readonly Leak[]);
  expect(told.map(({ kind, name, detail }) => `${kind} ${name}: ${detail}`)).toEqual([
    expect.stringMatching(/^shared Context::\$user: '\w+' → '\w+': two calls set it while both ran$/),
  ]);
  const [, said = ''] = /```\n(shared .*)\n```/.exec(readPage('docs/leaks.md')) ?? [];
  expect(said).toMatch(/^shared Context::\$user: 'Ada' → 'Bob': two calls set it while both ran$/);
});

test('the example with a database works', async () => {
  const php = (marker: string): string =>
    block('docs/database.md', 'php', marker).replace('use FpmGateway\\Call;\n', '');
  const { worker } = await startWorker({
    lifetime: thisTest,
    bootstrap: php('// app.php').replace(
      'return [',
      "(new Database('sqlite:' . __DIR__ . '/shop.db'))->query('CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT)');\nreturn [",
    ),
    bootstrapIn: 'worker',
    handlers: { 'add-product': php('// functions/add-product.php') },
  });
  await worker.prime();
  expect((await worker.call('add-product', { name: 'tea' })).output).toEqual({ id: 1, all: 1 });
  const second = await worker.call('add-product', { name: 'jam' });
  expect([second.output, second.meta.leaks ?? []]).toEqual([{ id: 2, all: 2 }, []]);
});
