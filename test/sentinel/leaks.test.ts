/** What a call can leave behind: each kind is found, named, and put back where that is possible. */
import { describe, expect, test } from 'vitest';
import { named, watch } from '../support/sentinel.ts';

interface Row {
  readonly what: string;
  readonly handler: string;
  readonly app?: string;
  readonly leak: string;
  /** Part of the first detail told. */
  readonly detail?: string;
  /** A list: it is told when it has 64 members. */
  readonly grows?: true;
}

const VALUES: readonly Row[] = [
  {
    what: 'a static property that holds the last caller',
    app: 'final class Cart { public static ?string $user = null; }',
    handler: 'Cart::$user = "user $n";',
    leak: 'static Shop\\Cart::$user',
    detail: "'user 4' → 'user 5'",
  },
  {
    what: 'an object of the last call in a private static property',
    app: `final class User { public function __construct(public string $name) {} }
      final class Context { private static ?User $user = null; static function set(User $user): void { self::$user = $user; } }`,
    handler: 'Context::set(new User("user $n"));',
    leak: 'static Shop\\Context::$user->name',
  },
  {
    what: 'a static list that grows',
    app: 'final class Cart { public static array $items = []; }',
    handler: 'Cart::$items[] = $n;',
    leak: 'static Shop\\Cart::$items',
    detail: 'array(69) → array(70)',
    grows: true,
  },
  {
    what: 'a small map that is another one in each call',
    app: 'final class Cart { public static array $items = []; }',
    handler: 'Cart::$items = ["item $n" => 1];',
    leak: 'static Shop\\Cart::$items',
    detail: 'array(1) → array(1), other keys',
  },
  {
    what: 'a member of a static array',
    app: 'final class Request { public static array $current = []; }',
    handler: 'Request::$current = ["id" => $n, "user" => "user $n"];',
    leak: 'static Shop\\Request::$current',
    detail: "['user'] 'user 4' → 'user 5'",
  },
  {
    what: 'a static property of a parent class, under the name of the class that declares it',
    app: 'abstract class Base { protected static string $last = "-"; } final class Child extends Base { static function set(string $to): void { self::$last = $to; } }',
    handler: 'Child::set("user $n");',
    leak: 'static Shop\\Base::$last',
  },
  {
    what: 'a static property that a trait brings',
    app: 'trait Remembers { private static string $last = "-"; static function set(string $to): void { self::$last = $to; } } final class Memory { use Remembers; }',
    handler: 'Memory::set("user $n");',
    leak: 'static Shop\\Memory::$last',
  },
  {
    what: 'a static variable of the handler',
    handler: 'static $seen = []; $seen[] = $n;',
    leak: 'static static $seen in functions/echo.php:4',
    grows: true,
  },
  {
    what: 'a counter of the handler',
    handler: 'static $count = 0; ++$count;',
    leak: 'static static $count in functions/echo.php:4',
    detail: '4 → 5',
  },
  {
    what: 'a static variable of a function',
    app: 'function remember(string $user): void { static $last = "-"; $last = $user; }',
    handler: 'remember("user $n");',
    leak: 'static static $last in Shop\\remember()',
  },
  {
    what: 'a static variable of a method',
    app: 'final class Log { function add(string $line): void { static $lines = []; $lines[] = $line; } }',
    handler: '(new Log())->add("line $n");',
    leak: 'static static $lines in Shop\\Log::add()',
    grows: true,
  },
  {
    what: 'a static variable of a closure that a class keeps',
    app: 'final class Hooks { public static ?\\Closure $hook = null; } Hooks::$hook = static function (string $user): void { static $last = "-"; $last = $user; };',
    handler: '(Hooks::$hook)("user $n");',
    leak: 'static static $last in app.php:4',
  },
  { what: 'a global', handler: '$GLOBALS["x"] = "user $n";', leak: "global $GLOBALS['x']" },
  {
    what: 'a global list',
    handler: 'global $lines; $lines[] = $n;',
    leak: "global $GLOBALS['lines']",
    grows: true,
  },
  {
    what: 'globals of a new name each',
    handler: '$GLOBALS["of user $n"] = 1;',
    leak: 'global $GLOBALS',
    detail: "the newest is 'of user 8'",
  },
  {
    what: 'a value that may be secret, without telling it',
    app: 'final class Vault { public static array $last = []; }',
    handler: 'Vault::$last = ["user" => "ada", "password" => "secret $n"];',
    leak: 'static Shop\\Vault::$last',
    detail: 'not told',
  },
  {
    what: 'a property of a service in what the bootstrap returned',
    app: `final class Session { private ?string $user = null; function login(string $user): void { $this->user = $user; } }
      return ['session' => new Session()];`,
    handler: '$app["session"]->login("user $n");',
    leak: "object $app['session']->user",
    detail: "'user 4' → 'user 5'",
  },
  {
    what: 'entities that pile up in a collection',
    app: 'final class Units { public \\SplObjectStorage $managed; function __construct() { $this->managed = new \\SplObjectStorage(); } } return new Units();',
    handler: '$app->managed->offsetSet(new \\stdClass());',
    leak: 'object $app->managed',
    detail: 'SplObjectStorage(69) → SplObjectStorage(70)',
    grows: true,
  },
  {
    what: 'values behind a class whose own code must not run',
    app: `final class Shy {
        private string $user = '-';
        function set(string $user): void { $this->user = $user; }
        function __get(string $name): never { throw new \\Error('run'); }
        function __serialize(): array { throw new \\Error('run'); }
        function __sleep(): array { throw new \\Error('run'); }
        function __debugInfo(): array { throw new \\Error('run'); }
      }
      return new Shy();`,
    handler: '$app->set("user $n");',
    leak: 'object $app->user',
  },
  {
    what: 'code from eval()',
    handler: 'eval("namespace Made; class Number$n {}");',
    leak: 'code classes and functions from eval()',
  },
  { what: 'constants', handler: 'define("USER_$n", $n);', leak: 'constant constants' },
  {
    what: 'autoloaders',
    handler: 'spl_autoload_register(static function (string $class): void {});',
    leak: 'autoloader autoloaders',
  },
  {
    what: 'open streams',
    app: 'final class Files { public static array $open = []; }',
    handler: 'Files::$open["f" . $n] = fopen("php://memory", "r");',
    leak: 'resource open resources',
  },
];

const PUT_BACK: readonly (Row & { readonly seen: string })[] = [
  { what: 'the working directory', handler: 'chdir("/");', seen: 'getcwd()', leak: 'working-directory chdir()' },
  {
    what: 'the time zone',
    handler: 'date_default_timezone_set("Asia/Tokyo");',
    seen: 'date_default_timezone_get()',
    leak: 'timezone date_default_timezone_set()',
    detail: "'UTC' → 'Asia/Tokyo'",
  },
  { what: 'the umask', handler: 'umask(0077);', seen: 'umask()', leak: 'umask umask()', detail: '→ 0077' },
  {
    what: 'error handlers, several deep',
    handler: 'for ($i = 0; $i < 5; ++$i) { set_error_handler(static fn (): bool => true); }',
    seen: 'is_string($top = [set_error_handler(null), restore_error_handler()][0]) ? $top : get_debug_type($top)',
    leak: 'error-handler set_error_handler()',
    detail: 'none → closure in functions/echo.php:5',
  },
  {
    what: "the application's own error handler, when a call took it away",
    app: 'function complain(): bool { return false; } set_error_handler("Shop\\complain");',
    handler: 'restore_error_handler();',
    seen: '[set_error_handler(null), restore_error_handler()][0]',
    leak: 'error-handler set_error_handler()',
    detail: 'Shop\\complain() → none',
  },
  {
    what: 'exception handlers',
    handler: 'set_exception_handler(static function (): void {});',
    seen: 'get_debug_type([set_exception_handler(null), restore_exception_handler()][0])',
    leak: 'exception-handler set_exception_handler()',
  },
  {
    what: 'error_reporting',
    handler: 'error_reporting(E_ERROR);',
    seen: 'error_reporting()',
    leak: 'ini error_reporting',
  },
  {
    what: 'the time limit, which would end a later call',
    handler: 'set_time_limit(30);',
    seen: 'ini_get("max_execution_time")',
    leak: 'ini max_execution_time',
  },
  {
    what: 'memory_limit',
    handler: 'ini_set("memory_limit", "1G");',
    seen: 'ini_get("memory_limit")',
    leak: 'ini memory_limit',
  },
  {
    what: 'other ini settings',
    handler: 'ini_set("precision", "5");',
    seen: 'ini_get("precision")',
    leak: 'ini precision',
    detail: "'14' → '5'",
  },
  { what: 'the garbage collector', handler: 'gc_disable();', seen: 'gc_enabled()', leak: 'ini zend.enable_gc' },
  {
    what: 'environment',
    handler: 'putenv("LANGUAGE=de");',
    seen: 'getenv("LANGUAGE")',
    leak: 'env LANGUAGE',
    detail: 'changed',
  },
  {
    what: 'new environment',
    handler: 'putenv("FOO=bar");',
    seen: 'getenv("FOO")',
    leak: 'env FOO',
    detail: 'set',
  },
  {
    what: 'environment, without telling what may be secret',
    handler: 'putenv("API_TOKEN=hunter2");',
    seen: 'getenv("API_TOKEN")',
    leak: 'env API_TOKEN',
    detail: 'set',
  },
  {
    what: 'locale',
    handler: 'setlocale(LC_NUMERIC, "C.UTF-8");',
    seen: 'setlocale(LC_ALL, "0")',
    leak: 'locale LC_ALL',
    detail: "'LC_NUMERIC=C.UTF-8'",
  },
  {
    what: 'superglobals',
    handler: '$_GET["user"] = $n; $_REQUEST["user"] = $n;',
    seen: '[$_GET, $_REQUEST]',
    leak: 'superglobal $_GET',
  },
  {
    what: 'the session',
    handler: '@session_start(); $_SESSION["user"] = $n;',
    seen: '[session_id(), $_SESSION ?? null]',
    leak: 'session $_SESSION',
  },
  {
    what: "libxml's errors",
    handler: 'libxml_use_internal_errors(true);',
    seen: 'libxml_use_internal_errors()',
    leak: 'libxml libxml_use_internal_errors()',
  },
  {
    what: 'the internal encoding',
    handler: 'mb_internal_encoding("ISO-8859-1");',
    seen: 'mb_internal_encoding()',
    leak: 'encoding mb_internal_encoding()',
  },
  {
    what: "the application's autoloader, when a call took it away",
    app: 'function load(string $class): void {} spl_autoload_register("Shop\\load");',
    handler: 'spl_autoload_unregister("Shop\\load");',
    seen: 'count(spl_autoload_functions())',
    leak: 'autoloader spl_autoload_unregister()',
  },
  {
    what: 'stream wrappers',
    handler: 'stream_wrapper_unregister("http");',
    seen: 'in_array("http", stream_get_wrappers(), true)',
    leak: 'stream-wrapper http://',
  },
  {
    what: 'signal handlers',
    handler: 'pcntl_signal(SIGUSR1, static function (): void {});',
    seen: 'pcntl_signal_get_handler(SIGUSR1)',
    leak: 'signal pcntl_signal(10)',
  },
  {
    what: 'alarms, which would end a later call',
    handler: 'pcntl_alarm(1000);',
    seen: 'pcntl_alarm(0)',
    leak: 'alarm pcntl_alarm()',
  },
];

describe('values that go on changing are named', () => {
  test.each(VALUES)('$what', async ({ handler, app = '', leak, detail = '', grows }) => {
    const { leaks } = await watch(grows ? { handler, app, calls: 100, dense: true } : { handler, app });
    expect(named(leaks)).toContain(leak);
    expect(named(leaks).filter((name) => name !== leak && !name.startsWith('resource '))).toEqual([]);
    expect(leaks.find(({ kind, name }) => `${kind} ${name}` === leak)?.detail).toContain(detail);
    // By the 15th call (the 70th of every tenth, for a list), and not with each from then on.
    expect(
      leaks.filter(({ kind, name }) => `${kind} ${name}` === leak).map(({ call }) => call <= (grows ? 70 : 15)),
    ).toEqual([true]);
  });
});

test.each([
  ...[
    'jwt',
    'sessionId',
    'dsn',
    'apiKey',
    'stripe_key',
    'databaseUrl',
    'cookies',
    'salt',
    'signature',
    'authorization',
  ],
  ...['credentials', 'bearer'],
])('what is called %s may be secret: its value is not told', async (name) => {
  const { leaks } = await watch({
    app: `final class Vault { public static string $${name} = "-"; public static array $last = []; }`,
    handler: `$GLOBALS["${name}"] = Vault::$${name} = "hunter2 $n"; Vault::$last = ["user" => 1, "${name}" => "hunter2 $n"];`,
    calls: 8,
  });
  expect(leaks.map(({ detail }) => detail)).toEqual(
    Array.from({ length: 3 }, () => expect.stringContaining('not told')),
  );
});

test('a login in an address is not told, nor any value of the environment', async () => {
  const { leaks } = await watch({
    app: 'final class Server { public static string $at = "-"; public static string $far = "-"; }',
    handler: `Server::$at = "mysql://shop:hunter2@db/$n"; Server::$far = "amqp://" . str_repeat("u", 40) . ":hunter2hunter2hunter2$n@queue";
      putenv("DATABASE_URL=mysql://shop:hunter2@db"); putenv("MAILER_DSN=hunter2"); putenv("PIN=hunter2 $n");`,
    calls: 8,
  });
  expect(named(leaks).length).toBe(5);
  expect(leaks.filter(({ detail }) => /hunt/.test(detail))).toEqual([]);
});

describe('what belongs to the process is put back', () => {
  test.each(PUT_BACK)('$what', async ({ handler, app = '', seen, leak, detail = '' }) => {
    const report = await watch({ handler, app, seen, calls: 5, env: { LANGUAGE: 'en' } });
    expect(named(report.leaks)).toContain(`${leak} (put back)`);
    expect(report.leaks[0]?.detail).toContain(detail);
    expect(report.leaks.filter(({ restored }) => !restored)).toEqual([]);
    // Each call sees what the first saw.
    expect(report.seen).toEqual(report.seen.map(() => report.seen[0]));
    // Told once, though each of the five calls did it.
    expect(new Set(report.leaks.map(({ call }) => call))).toEqual(new Set([1]));
  });
});

test('what a call seeds does not make the next one foreseeable', async () => {
  const { seen, leaks } = await watch({ handler: 'mt_srand(42);', seen: 'mt_rand()', calls: 100 });
  expect(new Set(seen).size).toBe(100);
  expect(leaks).toEqual([]);
});

test('random numbers stay random for calls that only use them, and for those that do not', async () => {
  const { seen } = await watch({
    handler: 'if ($n % 3 === 0) { shuffle($GLOBALS["argv"]); }',
    seen: 'mt_rand()',
    calls: 1000,
  });
  expect(new Set(seen).size).toBeGreaterThan(998);
});

test('the function whose call it was is the one that counts', async () => {
  const { leaks } = await watch({
    app: 'final class Cart { public static array $items = []; }',
    handler: '',
    others: { leaky: 'Cart::$items[] = $n;', quiet: '' },
    calls: 100,
    dense: true,
  });
  expect(named(leaks)).toEqual(['static Shop\\Cart::$items']);
});

test('a leak that begins after the first calls is found by samples', async () => {
  const { leaks } = await watch({
    app: 'final class Cart { public static ?string $user = null; }',
    handler: 'if ($n > 30) { Cart::$user = "user $n"; } usleep(50);',
    calls: 6000,
  });
  expect(named(leaks)).toContain('static Shop\\Cart::$user');
});

test('where it is dense every tenth call is compared', async () => {
  const { leaks } = await watch({
    app: 'final class Cart { public static ?string $user = null; }',
    handler: 'if ($n > 30) { Cart::$user = "user $n"; }',
    calls: 100,
    dense: true,
  });
  expect(leaks.map(({ call }) => call)).toEqual([60]);
});

test('a child process that is left running is told', async () => {
  const { leaks } = await watch({
    app: 'final class Children { public static array $all = []; }',
    handler: 'Children::$all["p" . $n] = proc_open(["sleep", "1"], [], $pipes);',
    calls: 6,
  });
  expect(named(leaks)).toContain('child-process child processes');
});

test('memory that nothing names is told with its function', async () => {
  const { leaks } = await watch({
    // Held by what is not looked into: a generator.
    app: '$keep = (static function (): \\Generator { $all = []; while (true) { $all[] = yield; } })(); $keep->current(); return ["keep" => $keep];',
    handler: '',
    others: { hungry: '$app["keep"]->send(str_repeat("x", 500));' },
    calls: 1700,
  });
  expect(named(leaks)).toEqual(['memory memory of hungry']);
});

test('an error handler that throws for everything hears of nothing that is put back', async () => {
  const { leaks } = await watch({
    app: `set_error_handler(static function (int $level, string $message): never { throw new \\ErrorException("heard: $message"); });
      mkdir(__DIR__ . '/left'); chdir(__DIR__ . '/left'); return __DIR__;`,
    handler: 'chdir("/"); if ($n === 1) { rmdir("$app/left"); }',
    calls: 3,
  });
  expect(leaks.map(({ name, restored }) => [name, restored])).toEqual([['chdir()', false]]);
});

test('an answer tells 20 leaks at most', async () => {
  const properties = Array.from({ length: 30 }, (_, at) => `public static string $p${at} = '-';`).join(' ');
  const { leaks } = await watch({
    app: `final class Many { ${properties} }`,
    handler: 'for ($i = 0; $i < 30; ++$i) { $name = "p$i"; Many::$$name = "call $n"; }',
    calls: 10,
  });
  const calls = leaks.map(({ call }) => call);
  expect([calls.filter((call) => call === 5).length, new Set(leaks.map(({ name }) => name)).size]).toEqual([20, 30]);
});

test('a look that the application makes impossible does not touch the answers', async () => {
  const { leaks } = await watch({
    // Deeper and wider than what is looked at.
    app: `final class Tree { public array $all = []; public ?Tree $next = null; }
      $root = $node = new Tree();
      for ($i = 0; $i < 20_000; ++$i) { $node = $node->next = new Tree(); $node->all = [[[[$i]]]]; }
      $root->all = array_fill(0, 50_000, [[[1, 2], [3, 4]], [[5]]]);
      return $root;`,
    handler: '',
    calls: 30,
    ini: ['memory_limit=1G'],
  });
  expect(leaks).toEqual([]);
});

test('no comparison is begun where memory is short', async () => {
  const { leaks } = await watch({
    app: 'final class Fat { public static string $all = ""; public static string $last = "-"; } Fat::$all = str_repeat("x", 30_000_000);',
    handler: 'Fat::$last = "call $n";',
    ini: ['memory_limit=32M'],
  });
  expect(leaks).toEqual([]);
});

test('a leak that is told once is told again after 100 calls', async () => {
  const { leaks } = await watch({ handler: 'chdir("/");', calls: 250 });
  expect(leaks.map(({ call }) => call)).toEqual([1, 101, 201]);
});

test('what the bootstrap calls kept is not told', async () => {
  const { leaks } = await watch({
    app: `final class Statistics { public static array $hits = []; public static string $last = ''; }
      \\FpmGateway\\Resets::keep('Shop\\Statistics::$hits');`,
    handler: 'Statistics::$hits[] = $n; Statistics::$last = "user $n";',
  });
  expect(named(leaks)).toEqual(['static Shop\\Statistics::$last']);
});
