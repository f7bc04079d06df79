/** The sentinel and the PDO helper where they live: in a resident worker, and the helper under php-fpm. */
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { openFolder, thisTest } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { startWorker } from '../support/resident-process.ts';
import type { ResidentAnswer } from '../support/resident-worker.ts';

interface Told {
  readonly kind: string;
  readonly name: string;
}

const leaksOf = (answer: ResidentAnswer): string[] =>
  ((answer.meta.leaks ?? []) as readonly Told[]).map(({ kind, name }) => `${kind} ${name}`);

const BOOTSTRAP = `
  final class Session { public ?string $user = null; }
  return ['session' => new Session()];`;

test('an answer tells what its call left, and an empty call leaves nothing', async () => {
  const { worker } = await startWorker({
    lifetime: thisTest,
    bootstrap: BOOTSTRAP,
    handlers: {
      empty: 'return static fn (): bool => true;',
      login: `return static function (array $input, Call $call, array $app): ?string {
        [$before, $app['session']->user] = [$app['session']->user, $input['user']];
        return $before;
      };`,
      seen: 'return static function (): int { static $seen = []; array_push($seen, 1, 2, 3, 4); return count($seen); };',
      zone: "return static function (): string { $zone = date_default_timezone_get(); date_default_timezone_set('Asia/Tokyo'); return $zone; };",
      transaction: `final class Shared { public static ?FpmGateway\\Database $db = null; }
      return static function (): bool {
        Shared::$db ??= new FpmGateway\\Database('sqlite::memory:');
        $open = Shared::$db->isInTransaction();
        Shared::$db->pdo()->beginTransaction();
        return $open;
      };`,
    },
  });
  await worker.prime();
  const told: string[] = [];
  for (let call = 0; call < 20; call++) told.push(...leaksOf(await worker.call('empty')));
  expect(told).toEqual([]);

  expect((await worker.call('zone')).output).toBe('UTC');
  expect((await worker.call('zone')).output).toBe('UTC');
  expect((await worker.call('transaction')).output).toBe(false);
  expect((await worker.call('transaction')).output).toBe(false);

  for (let call = 0; call < 8; call++) told.push(...leaksOf(await worker.call('login', { user: `user ${call}` })));
  expect(told).toEqual(["object $app['session']->user"]);
  for (let call = 0; call < 20; call++) told.push(...leaksOf(await worker.call('seen')));
  expect(told.slice(1)).toEqual([expect.stringMatching(/^static static \$seen in .*functions\/seen\.php:\d+$/)]);
});

test('hooks for every call are added by the bootstrap, and by no call', async () => {
  const { worker } = await startWorker({
    lifetime: thisTest,
    bootstrap: "FpmGateway\\Resets::add(static function (): void { $GLOBALS['ran'] = ($GLOBALS['ran'] ?? 0) + 1; });",
    handlers: {
      adds: 'return static function (): void { FpmGateway\\Resets::add(static function (): void {}); };',
      ran: "return static fn (): int => $GLOBALS['ran'];",
    },
  });
  await worker.prime();
  const { meta } = await worker.call('adds');
  expect(meta).toMatchObject({ outcome: 'exception', exception: { class: 'LogicException' } });
  expect(JSON.stringify(meta)).toContain('Add it in the bootstrap, or use $call->onReset().');
  expect((await worker.call('ran')).output).toBe(1);
});

test('a bootstrap that ends PHP in its worker is told, sentinel or not', async () => {
  const { worker } = await startWorker({
    lifetime: thisTest,
    bootstrap: 'exit(1);',
    bootstrapIn: 'worker',
    handlers: {},
  });
  expect((await worker.prime()).meta.outcome).toBe('exit');
});

test('the PDO helper works the same under php-fpm, where a transaction ends with its request', async () => {
  const file = `${openFolder()}/shop.db`;
  const gateway = await startGateway(
    { pools: { default: { workers: 1 } } },
    {
      project: functionsProject({
        make: `return (new \\FpmGateway\\Database('sqlite:${file}'))->query('CREATE TABLE products (name TEXT)')->columnCount();`,
        forget: `$db = new \\FpmGateway\\Database('sqlite:${file}'); $db->pdo()->beginTransaction(); $db->query('INSERT INTO products VALUES (1)'); $GLOBALS['kept'] = $db; return $db->isInTransaction();`,
        count: `return (new \\FpmGateway\\Database('sqlite:${file}'))->query('SELECT count(*) FROM products')->fetchColumn();`,
      }),
    },
  );
  expect(await gateway.invoke('make', null)).toBe(0);
  expect(await gateway.invoke('forget', null)).toBe(true);
  expect(await gateway.invoke('count', null)).toBe(0);
});

test('what one call sets in php.ini and the environment is gone in the next, long after the first calls', async () => {
  const { worker } = await startWorker({
    lifetime: thisTest,
    bootstrap: `function set_elsewhere(): void { ini_set('serialize_precision', '3'); ini_set('default_charset', 'latin1'); set_include_path('/nowhere'); }`,
    handlers: {
      sets: `return static function (?string $user): mixed {
        $found = [getenv('CALLER'), ini_get('user_agent'), ini_get('arg_separator.output')];
        if ($user !== null) { putenv("CALLER=$user"); ini_set('user_agent', $user); ini_set('arg_separator.output', ';'); }
        return $found;
      };`,
      elsewhere: `return static function (bool $sets): mixed {
        $found = [1.23456789, ini_get('default_charset'), get_include_path()];
        if ($sets) { set_elsewhere(); }
        return json_encode($found);
      };`,
    },
  });
  const before = (await worker.call('elsewhere', false)).output;
  for (let call = 0; call < 45; call++) await worker.call('sets', null);
  for (let call = 0; call < 45; call++) await worker.call('elsewhere', false);
  expect(leaksOf(await worker.call('sets', 'ada')).sort()).toEqual([
    'env CALLER',
    'ini arg_separator.output',
    'ini user_agent',
  ]);
  expect((await worker.call('sets', null)).output).toEqual([false, '', '&']);
  const told = leaksOf(await worker.call('elsewhere', true));
  expect(told.sort()).toEqual(['ini default_charset', 'ini include_path', 'ini serialize_precision']);
  expect((await worker.call('elsewhere', false)).output).toBe(before);
});
