/** The PDO helper: a connection that is there when it is needed, in processes of any age. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../support/lifetime.ts';
import { named, watch } from '../support/sentinel.ts';

const run = promisify(execFile);
const PHP_FOLDER = join(import.meta.dirname, '..', '..', 'gateway', 'php');

/** Fails as a server does that ended an idle connection: on the next statement, with an exception and a warning. */
const FAKES = `
  final class Server extends PDO {
    public static int $made = 0;
    public static array $log = [];
    public bool $gone = false;
    public readonly int $number;
    function __construct() { parent::__construct('sqlite::memory:'); $this->number = ++self::$made; }
    private function say(string $what): void {
      self::$log[] = "$this->number $what";
      if ($this->gone) { trigger_error('MySQL server has gone away', E_USER_WARNING); throw new PDOException('SQLSTATE[HY000]: General error: 2006 MySQL server has gone away'); }
    }
    function query(string $query, ?int $mode = null, mixed ...$more): PDOStatement|false { $this->say($query); return parent::query($query); }
    function beginTransaction(): bool { $this->say('BEGIN'); return parent::beginTransaction(); }
    function rollBack(): bool { $this->say('ROLLBACK'); return parent::rollBack(); }
    function commit(): bool { $this->say('COMMIT'); return parent::commit(); }
  }
  function server(int $idleMs = 30_000, int $ageMs = 3_600_000): Database {
    return new Database('mysql:host=db;user=shop;password=hunter2', 'shop', 'hunter2', [], $idleMs, $ageMs, connect: static fn (): PDO => new Server());
  }
  function message(callable $do): string { try { $do(); return 'nothing thrown'; } catch (Throwable $thrown) { return $thrown::class . ': ' . $thrown->getMessage(); } }
`;

/** What the body returns; it has `$folder`. Rejects when PHP says anything on standard error. */
const php = async (body: string, ini: readonly string[] = []): Promise<unknown> => {
  const folder = temporaryFolder();
  const file = join(folder, 'run.php');
  writeFileSync(
    file,
    `<?php declare(strict_types=1);
    use FpmGateway\\{Database, Resets};
    use FpmGateway\\Resident\\Leaks\\Transactions;
    require '${PHP_FOLDER}/autoload.php';
    ${FAKES}
    $main = static function (string $folder): mixed { ${body} };
    echo json_encode($main(__DIR__), JSON_THROW_ON_ERROR);`,
  );
  const settings = ['display_errors=stderr', 'error_reporting=-1', 'log_errors=0', ...ini];
  const args = [...settings.flatMap((setting) => ['-d', setting]), file];
  const { stdout, stderr } = await run('php', args);
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout) as unknown;
};

const SHOP = `
  $shop = new Database("sqlite:$folder/shop.db");
  $shop->query('CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT)');
  $names = static fn (): array => $shop->query('SELECT name FROM products ORDER BY id')->fetchAll(PDO::FETCH_COLUMN);
`;

test('connects at first use, and once', async () => {
  const told = await php(
    '$db = server(); $before = Server::$made; $same = $db->pdo() === $db->pdo(); return [$before, $same, Server::$made];',
  );
  expect(told).toEqual([0, true, 1]);
});

test('statements take parameters by position and by name', async () => {
  const told = await php(`${SHOP}
    $shop->query('INSERT INTO products (name) VALUES (?), (?)', ['tea', 'jam']);
    return [$names(), $shop->query('SELECT id FROM products WHERE name = :name', ['name' => 'jam'])->fetchColumn()];`);
  expect(told).toEqual([['tea', 'jam'], 2]);
});

test('a transaction commits what returns and rolls back what throws, a savepoint inside of it as well', async () => {
  const told = await php(`${SHOP}
    $insert = static fn (string $name): PDOStatement => $shop->query('INSERT INTO products (name) VALUES (?)', [$name]);
    $result = $shop->transaction(static function () use ($shop, $insert): string {
      $insert('kept');
      try { $shop->transaction(static function () use ($insert): never { $insert('undone'); throw new RuntimeException('inner'); }); } catch (RuntimeException) {}
      $shop->transaction(static fn (): PDOStatement => $insert('kept too'));
      return 'done';
    });
    $thrown = message(static fn (): mixed => $shop->transaction(static function () use ($insert): never { $insert('never'); throw new DomainException('outer'); }));
    return [$result, $thrown, $names(), $shop->isInTransaction()];`);
  expect(told).toEqual(['done', 'DomainException: outer', ['kept', 'kept too'], false]);
});

test('asks a connection that was idle, and makes a new one when it is gone', async () => {
  const told = await php(`
    $db = server(idleMs: 0);
    $db->pdo();
    $db->pdo();
    $db->pdo()->gone = true;
    return [$db->pdo()->number, Server::$made, Server::$log];`);
  expect(told).toEqual([2, 2, ['1 SELECT 1', '1 SELECT 1', '1 SELECT 1']]);
});

test('does not ask one that was used just now', async () => {
  expect(await php('$db = server(); $db->pdo(); $db->pdo(); return Server::$log;')).toEqual([]);
});

test('replaces a connection that is old', async () => {
  expect(await php('$db = server(ageMs: 0); $db->pdo(); return $db->pdo()->number;')).toBe(2);
});

test('neither asks nor replaces while a transaction is open', async () => {
  const told = await php(`
    $db = server(idleMs: 0, ageMs: 0);
    $numbers = $db->transaction(static fn (PDO $pdo): array => [$pdo->number, $db->pdo()->number]);
    return [$numbers, Server::$log];`);
  expect(told).toEqual([
    [1, 1],
    ['1 BEGIN', '1 COMMIT'],
  ]);
});

test('a transaction begins anew on another connection when the first is gone, and not when its work fails', async () => {
  const told = await php(`
    $db = server();
    $db->pdo()->gone = true;
    $number = @$db->transaction(static fn (PDO $pdo): int => $pdo->number);
    $thrown = message(static fn (): mixed => @$db->transaction(static function (PDO $pdo): void { $pdo->gone = true; $pdo->query('UPDATE'); }));
    return [$number, $thrown, $db->pdo()->number];`);
  expect(told).toEqual([2, 'PDOException: SQLSTATE[HY000]: General error: 2006 MySQL server has gone away', 3]);
});

test('a fork has a connection of its own, and the parent keeps its', async () => {
  const told = await php(
    `${SHOP}
    $parent = spl_object_id($shop->pdo());
    $pid = pcntl_fork();
    if ($pid === 0) {
      $other = spl_object_id($shop->pdo()) !== $parent;
      $shop->query('INSERT INTO products (name) VALUES (?)', [$other ? 'from the fork' : 'shared']);
      posix_kill(getmypid(), SIGKILL);
    }
    pcntl_waitpid($pid, $status);
    return [$names(), spl_object_id($shop->pdo()) === $parent];`,
  );
  expect(told).toEqual([['from the fork'], true]);
});

test('a database whose file was deleted is another one at the next connection', async () => {
  const told = await php(`${SHOP}
    unlink("$folder/shop.db");
    $shop->close();
    return message($names);`);
  expect(told).toContain('no such table: products');
});

test('one that is locked says so, and works when it is free', async () => {
  const told = await php(`${SHOP}
    $shop->pdo()->setAttribute(PDO::ATTR_TIMEOUT, 0);
    $other = new PDO("sqlite:$folder/shop.db");
    $other->exec('BEGIN EXCLUSIVE');
    $insert = static fn (): mixed => $shop->query('INSERT INTO products (name) VALUES (?)', ['tea']);
    $locked = message($insert);
    $other->exec('COMMIT');
    return [$locked, message($insert), $names()];`);
  expect(told).toEqual([expect.stringContaining('database is locked'), 'nothing thrown', ['tea']]);
});

test('a failure to connect names the database, without user and password', async () => {
  const told = await php(`
    $refused = new Database('mysql:host=db;user=shop;password=hunter2;dbname=shop', connect: static fn (): PDO => throw new PDOException('Connection refused', 2002));
    return [
      message($refused->pdo(...)),
      message((new Database("sqlite:$folder/none/shop.db"))->pdo(...)),
      message((new Database('shop.db'))->pdo(...)),
      message((new Database('oci:dbname=shop'))->pdo(...)),
    ];`);
  expect(told).toEqual([
    'PDOException: Cannot connect to mysql:host=db;user=…;password=…;dbname=shop: Connection refused',
    expect.stringMatching(/^PDOException: Cannot connect to sqlite:.*none\/shop\.db: .*unable to open database file/),
    "PDOException: Cannot connect to shop.db: the DSN must begin with its driver's name and a colon, as in mysql:host=…",
    "PDOException: Cannot connect to oci:dbname=shop: PHP's extension pdo_oci is not loaded. Install it, for this PHP's php-fpm and its CLI.",
  ]);
});

test('what is rolled back for a call is told, and a dead connection is given up', async () => {
  const told = await php(`
    $db = server();
    $db->pdo()->beginTransaction();
    $first = Transactions::ofDatabases(Resets::$databases);
    $db->pdo()->beginTransaction();
    $db->pdo()->gone = true;
    $second = @Transactions::ofDatabases(Resets::$databases);
    return [$first, $second, $db->pdo()->number, Transactions::ofDatabases(Resets::$databases)];`);
  const leak = { kind: 'transaction', name: 'mysql:host=db;user=…;password=…', restored: true };
  expect(told).toEqual([
    [{ ...leak, detail: 'left open, rolled back' }],
    [{ ...leak, detail: 'left open, its connection was given up' }],
    2,
    [],
  ]);
});

test('a transaction that a call leaves open does not reach the next call', async () => {
  const { leaks, seen } = await watch({
    app: `final class Shop { public static \\FpmGateway\\Database $db; }
      Shop::$db = new \\FpmGateway\\Database('sqlite::memory:');
      Shop::$db->query('CREATE TABLE products (name TEXT)');`,
    handler: 'Shop::$db->pdo()->beginTransaction(); Shop::$db->query("INSERT INTO products VALUES (?)", ["tea"]);',
    seen: '[Shop::$db->isInTransaction(), (int) Shop::$db->query("SELECT count(*) FROM products")->fetchColumn()]',
  });
  expect(named(leaks)).toEqual(['transaction sqlite::memory: (put back)']);
  expect(seen).toEqual(seen.map(() => [false, 0]));
});

test("the application's own PDO is looked at by the full comparison", async () => {
  // A second beginTransaction() would throw.
  const { leaks } = await watch({
    app: 'return (object) ["pdo" => new \\PDO("sqlite::memory:")];',
    handler: '$app->pdo->beginTransaction();',
    calls: 3,
  });
  expect(named(leaks)).toEqual(['transaction PDO (put back)']);
});

test('healthy use of a database leaves nothing', async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'data'));
  const { leaks } = await watch({
    app: `final class Products {
        private array $names = [];
        function __construct(private readonly \\FpmGateway\\Database $db) { $db->query('CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT)'); }
        function add(string $name): void { $this->db->transaction(fn () => $this->db->query('INSERT INTO products (name) VALUES (?)', [$name])); }
        function name(int $id): mixed { return $this->names[$id % 5] ??= $this->db->query('SELECT name FROM products WHERE id = ?', [$id])->fetchColumn(); }
      }
      return new Products(new \\FpmGateway\\Database('sqlite:${folder}/data/shop.db', checkAfterIdleMs: 0));`,
    handler: '$app->add("product $n"); $app->name($n);',
    calls: 300,
  });
  expect(leaks).toEqual([]);
});

test('what a hook throws is told as short as anything else', async () => {
  const told = await php(`
    return Resets::leaks([static fn () => throw new RuntimeException('cannot reach amqp://shop:hunter2@queue ' . str_repeat('x', 3_000_000))]);`);
  expect(told).toEqual([
    expect.objectContaining({
      kind: 'reset-hook',
      detail: expect.stringMatching(/^cannot reach amqp:\/\/…@queue x+… in \/.{1,200}:\d+$/),
    }),
  ]);
});

test('a connection that refuses a transaction but still answers stays, with what was begun on it by SQL', async () => {
  const told = await php(`${SHOP}
    $shop->pdo()->exec('BEGIN IMMEDIATE');
    $shop->query('INSERT INTO products (name) VALUES (?)', ['outer']);
    $thrown = message(static fn (): mixed => $shop->transaction(static fn (): int => 1));
    $shop->pdo()->exec('COMMIT');
    return [$thrown, $names()];`);
  expect(told).toEqual([expect.stringContaining('within a transaction'), ['outer']]);
});

test('one connection is judged once in a call: what was inserted last is known behind it', async () => {
  const told = await php(`
    $old = server(ageMs: 0);
    $idle = server(idleMs: 0);
    $first = [$old->pdo()->number, $old->pdo()->number, $idle->pdo()->number, $idle->pdo()->number];
    $call = new FpmGateway\\Call('id', 'echo', 1, hrtime(true), 1000.0, '');
    $second = [$old->pdo()->number, $old->pdo()->number, $idle->pdo()->number, $idle->pdo()->number];
    return [$first, $second, Server::$log];`);
  expect(told).toEqual([
    [1, 2, 3, 3],
    [4, 4, 3, 3],
    ['3 SELECT 1', '3 SELECT 1'],
  ]);
});

test('a database in memory is never replaced', async () => {
  const told = await php(`
    $told = [];
    foreach (['sqlite::memory:', 'sqlite:'] as $dsn) {
      $db = new Database($dsn, ageMaxMs: 0, checkAfterIdleMs: 0);
      $db->query('CREATE TABLE products (name TEXT)');
      $told[] = $db->query('SELECT count(*) FROM products')->fetchColumn();
    }
    return $told;`);
  expect(told).toEqual([0, 0]);
});

test('a commit that the server refuses is no commit, where PDO does not throw', async () => {
  const told = await php(`
    $make = static fn (): PDO => new class ('sqlite::memory:', options: [PDO::ATTR_ERRMODE => PDO::ERRMODE_SILENT]) extends PDO { function commit(): bool { return false; } };
    $db = new Database('sqlite:fake', connect: $make);
    return [message(static fn (): mixed => $db->transaction(static fn (): int => 1)), $db->isInTransaction()];`);
  expect(told).toEqual(['PDOException: sqlite:fake did not commit the transaction.', false]);
});
