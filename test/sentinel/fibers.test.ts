/** Calls that take turns in one process: what belongs to the process is each one's own, and what they share is told. */
import { describe, expect, test } from 'vitest';
import { interleave } from '../support/interleaved.ts';
import { named } from '../support/sentinel.ts';

interface Row {
  readonly what: string;
  /** PHP that sets it for call `$n`. */
  readonly set: string;
  /** An expression: what a call sees. */
  readonly see: string;
  readonly leak: string;
  readonly setting?: true;
}

const PROCESS: readonly Row[] = [
  { what: 'the working directory', set: 'chdir("/");', see: 'getcwd() === "/"', leak: 'chdir()' },
  { what: 'the umask', set: 'umask(0077);', see: 'umask() === 0077', leak: 'umask()' },
  {
    what: 'the time zone',
    set: 'date_default_timezone_set("Asia/Tokyo");',
    see: 'date_default_timezone_get() === "Asia/Tokyo"',
    leak: 'date_default_timezone_set()',
  },
  {
    what: 'the locale',
    set: 'setlocale(LC_NUMERIC, "C.UTF-8");',
    see: 'setlocale(LC_NUMERIC, "0") === "C.UTF-8"',
    leak: 'LC_ALL',
  },
  {
    what: 'an error handler',
    set: 'set_error_handler(static function (): bool { $GLOBALS["heard"] = true; return true; });',
    see: '(static function (): bool { $GLOBALS["heard"] = false; @trigger_error("x"); return $GLOBALS["heard"]; })()',
    leak: 'set_error_handler()',
  },
  {
    what: 'an exception handler',
    set: 'set_exception_handler(static function (): void {});',
    see: '(static function (): bool { $top = set_exception_handler(null); restore_exception_handler(); return $top !== null; })()',
    leak: 'set_exception_handler()',
  },
  {
    what: 'the level of errors',
    set: 'error_reporting(E_ERROR);',
    see: 'error_reporting() === E_ERROR',
    leak: 'error_reporting',
  },
  {
    what: 'a setting of php.ini',
    set: 'ini_set("precision", "5");',
    see: 'ini_get("precision") === "5"',
    leak: 'precision',
  },
  {
    what: 'a seldom setting of php.ini',
    set: 'ini_set("user_agent", "me");',
    see: 'ini_get("user_agent") === "me"',
    leak: 'user_agent',
    setting: true,
  },
  {
    what: 'the environment',
    set: 'putenv("CALLER=me");',
    see: 'getenv("CALLER") === "me"',
    leak: 'CALLER',
    setting: true,
  },
  {
    what: 'the encoding',
    set: 'mb_internal_encoding("ISO-8859-1");',
    see: 'mb_internal_encoding() === "ISO-8859-1"',
    leak: 'mb_internal_encoding()',
  },
  { what: 'a superglobal', set: '$_GET["a"] = 1;', see: 'isset($_GET["a"])', leak: '$_GET' },
];

test.each(PROCESS)('$what is set for one call alone, while others take turns with it', async (row) => {
  const { leaks, outputs } = await interleave({
    handler: `if ($n % 2 === 1) { ${row.set} }
      $seen = [];
      for ($slice = 0; $slice < 3; ++$slice) { $seen[] = ${row.see}; wait(); }
      return $seen;`,
    calls: 6,
    atOnce: 3,
    setting: row.setting === true ? ['echo'] : [],
  });
  for (const [number, seen] of Object.entries(outputs)) {
    const own = Number(number) % 2 === 1;
    expect(seen, `call ${number}`).toEqual([own, own, own]);
  }
  const told = leaks.filter(({ kind }) => kind === 'shared');
  expect(told.map(({ name, restored }) => [name, restored])).toEqual([[row.leak, true]]);
  expect(told[0]?.detail).toMatch(/put back while this call waits, set again when it goes on$/);
});

test('two error handlers of one call come back in their order', async () => {
  const { outputs } = await interleave({
    handler: `$heard = [];
      set_error_handler(static function () use (&$heard): bool { $heard[] = 'first'; return true; });
      set_error_handler(static function () use (&$heard): bool { $heard[] = 'second'; return true; });
      wait();
      trigger_error('x'); restore_error_handler(); trigger_error('x'); restore_error_handler();
      return $heard;`,
    calls: 2,
  });
  expect(outputs).toEqual({ 1: ['first', 'second'].reverse(), 2: ['second', 'first'] });
});

test('limits of the whole process are put back when a call begins to wait, and stay so', async () => {
  const { leaks, outputs } = await interleave({
    handler: 'ini_set("memory_limit", "64M"); wait(); return ini_get("memory_limit");',
    calls: 1,
    ini: ['memory_limit=128M'],
  });
  expect(outputs).toEqual({ 1: '128M' });
  expect(leaks).toMatchObject([{ kind: 'shared', name: 'memory_limit', restored: true }]);
  expect(leaks[0]?.detail).toContain('not set again');
});

test('what a call sets and puts back before it waits is not told', async () => {
  const { leaks } = await interleave({
    handler: `$was = date_default_timezone_get();
      date_default_timezone_set('Asia/Tokyo'); date_default_timezone_set($was); wait();`,
  });
  expect(leaks).toEqual([]);
});

test('what a call sets when it has waited for the last time is put back, and told as ever', async () => {
  const { leaks, outputs } = await interleave({
    handler: '$was = getcwd(); wait(); chdir("/"); return $was;',
    calls: 4,
  });
  expect(new Set(Object.values(outputs)).size).toBe(1);
  expect(named(leaks)).toEqual(['working-directory chdir() (put back)']);
});

describe('values that one call leaves in a symbol while others run', () => {
  const CONTEXT = 'final class Context { public static ?string $user = null; }';

  test('a static that holds the caller is told, though each call empties it at its end', async () => {
    const { leaks } = await interleave({
      app: CONTEXT,
      handler:
        'Context::$user = "user $n"; try { for ($at = $n % 3; $at < 4; ++$at) { wait(); } } finally { Context::$user = null; }',
      calls: 12,
    });
    expect(named(leaks)).toEqual(['shared Shop\\Context::$user']);
    expect(leaks[0]?.detail).toMatch(/'user \d+' → 'user \d+': two calls set it while both ran/);
  });

  test('so is one of a function that runs once at a time, beside others', async () => {
    const { leaks } = await interleave({
      app: CONTEXT,
      handler: 'Context::$user = "user $n"; wait(); Context::$user = null;',
      atOnce: 1,
      calls: 12,
    });
    expect(named(leaks)).toEqual(['shared Shop\\Context::$user']);
    expect(leaks[0]?.detail).toContain('others see it while this call waits');
  });

  test('an object of the call in a static', async () => {
    const { leaks } = await interleave({
      app: 'final class User { function __construct(public string $name) {} } final class Context { public static ?User $user = null; }',
      handler: 'Context::$user = new User("user $n"); wait(); Context::$user = null;',
      calls: 12,
    });
    expect(named(leaks)).toEqual(['shared Shop\\Context::$user->name']);
  });

  test('a service of the bootstrap that is told who calls', async () => {
    const { leaks } = await interleave({
      app: 'final class Session { public ?string $user = null; } return ["session" => new Session()];',
      handler: '$app["session"]->user = "user $n"; wait(); $app["session"]->user = null;',
      calls: 12,
    });
    // By its name it may be secret; what it holds is not told.
    expect(named(leaks)).toEqual(["shared $app['session']->user"]);
  });

  test('a global, and a static variable', async () => {
    const { leaks } = await interleave({
      handler: '$GLOBALS["x"] = "user $n"; static $last = "-"; $last = "user $n"; wait(); unset($GLOBALS["x"]);',
      calls: 12,
    });
    expect(named(leaks).sort()).toEqual(["shared $GLOBALS['x']", 'shared static $last in functions/echo.php:4']);
  });

  test('what may change for good is not told', async () => {
    const { leaks } = await interleave({
      app: `${CONTEXT} \\FpmGateway\\Resets::keep('Shop\\Context::$user');`,
      handler: 'Context::$user = "user $n"; wait(); Context::$user = null;',
      calls: 12,
    });
    expect(leaks).toEqual([]);
  });

  test('a list that grows is a leak as ever', async () => {
    const { leaks } = await interleave({
      app: 'final class Cart { public static array $items = []; }',
      handler: 'Cart::$items[] = $n; Cart::$items[] = $n; Cart::$items[] = $n; Cart::$items[] = $n; wait();',
    });
    expect(named(leaks)).toEqual(['static Shop\\Cart::$items']);
  });

  test.each([
    ['a memo', 'static $memo = null; $memo ??= "made at first use"; wait();'],
    ['a cache by key', 'static $cache = []; $cache["key " . $n % 7] ??= "value of $n"; wait();'],
    ['a service made at first use', '$app->service ??= new \\stdClass(); wait();'],
    ['an object that lives for its call alone', '$own = new \\ArrayObject(["user $n"]); wait(); unset($own);'],
    ['a static set and emptied within one slice', 'Context::$user = "user $n"; Context::$user = null; wait();'],
    ['nothing', 'wait();'],
  ])('%s is none', async (_what, handler) => {
    const { leaks } = await interleave({ app: `${CONTEXT} return new \\stdClass();`, handler, calls: 60 });
    expect(leaks).toEqual([]);
  });

  test('what a call left that never waits is told as in other workers', async () => {
    const { leaks } = await interleave({
      app: CONTEXT,
      handler: 'wait(); wait();',
      others: { sets: 'Context::$user = "user $n";' },
      calls: 12,
    });
    expect(named(leaks)).toEqual(['static Shop\\Context::$user']);
  });
});
