/** What healthy code keeps from call to call is no leak. */
import { describe, expect, test } from 'vitest';
import { named, watch } from '../support/sentinel.ts';

interface Row {
  readonly what: string;
  readonly handler: string;
  readonly app?: string;
  readonly files?: Readonly<Record<string, string>>;
}

const LAZY_CLASSES = Object.fromEntries(
  Array.from({ length: 40 }, (_, at) => [
    `lazy/Lazy${at}.php`,
    `<?php namespace Shop; final class Lazy${at} { public static array $made = []; static function make(): self { return self::$made["only"] ??= new self(); } }`,
  ]),
);

const CONTAINER = `
  final class Clock { public function __construct() {} }
  final class Mailer { public function __construct(public readonly Clock $clock) {} }
  final class Orders { private array $known = []; public function __construct(public readonly Mailer $mailer) {}
    function get(int $id): string { return $this->known[$id % 7] ??= "order " . $id % 7; } }
  final class Container {
    private array $services = [];
    private array $resolving = [];
    function get(string $class): object {
      if (isset($this->services[$class])) { return $this->services[$class]; }
      $this->resolving[] = $class;
      $of = [];
      foreach ((new \\ReflectionClass($class))->getConstructor()?->getParameters() ?? [] as $parameter) {
        $of[] = $this->get($parameter->getType()->getName());
      }
      array_pop($this->resolving);
      return $this->services[$class] = new $class(...$of);
    }
  }
  return new Container();`;

const LRU = `
  final class Lru {
    private array $entries = [];
    private int $hits = 0;
    function __construct(private readonly int $bound) {}
    function get(string $key, callable $make): mixed {
      if (array_key_exists($key, $this->entries)) {
        ++$this->hits;
        $value = $this->entries[$key];
        unset($this->entries[$key]);
        return $this->entries[$key] = $value;
      }
      if (count($this->entries) >= $this->bound) { unset($this->entries[array_key_first($this->entries)]); }
      return $this->entries[$key] = $make($key);
    }
  }`;

const HEALTHY: readonly Row[] = [
  { what: 'nothing', handler: '' },
  { what: 'a memo', handler: 'static $pattern = null; $pattern ??= "/" . implode("|", range(1, 50)) . "/";' },
  {
    what: 'a memo with a key each',
    app: 'final class Names { private static array $of = []; static function of(int $id): string { return self::$of[$id] ??= "name $id"; } }',
    handler: 'Names::of($n % 25);',
  },
  {
    what: 'a container that resolves services lazily',
    app: CONTAINER,
    handler: '$app->get($n % 3 === 0 ? Orders::class : ($n % 2 === 0 ? Mailer::class : Clock::class));',
  },
  { what: 'services that remember what they loaded', app: CONTAINER, handler: '$app->get(Orders::class)->get($n);' },
  {
    what: 'a cache at its bound, with other keys always',
    app: `${LRU} return new Lru(10);`,
    handler: '$app->get("key $n", fn (string $key): array => [$key, $n]);',
  },
  {
    what: 'a large cache that fills and comes to its bound',
    app: `${LRU} return new Lru(200);`,
    handler: '$app->get("key $n", fn (string $key): object => (object) ["key" => $key]);',
  },
  {
    what: 'a cache that is hit, in another order always',
    app: `${LRU} return new Lru(10);`,
    handler: '$app->get("key " . $n * $n % 7, fn (string $key): string => $key);',
  },
  {
    what: 'a static cache, several keys in each call',
    app: `final class Bounded { private static array $all = []; static function add(int $key): void {
      self::$all["k$key"] = "value $key"; if (count(self::$all) > 40) { array_shift(self::$all); } } }`,
    handler: 'for ($i = 0; $i < 5; ++$i) { Bounded::add($n * 5 + $i); }',
  },
  {
    what: 'a cache that is emptied when it is full',
    app: 'final class Flushed { public static array $all = []; }',
    handler: 'if (count(Flushed::$all) >= 50) { Flushed::$all = []; } Flushed::$all["k$n"] = $n;',
  },
  {
    what: 'a lazy singleton, replaced once',
    app: 'final class Kernel { private static ?self $instance = null; private function __construct(public readonly string $name) {} static function get(int $n): self { if ($n === 100) { self::$instance = null; } return self::$instance ??= new self("n$n"); } }',
    handler: 'Kernel::get($n);',
  },
  {
    what: 'a list that grows at first and then stands',
    app: 'final class Listeners { public static array $all = []; }',
    handler: 'if ($n <= 10) { Listeners::$all[] = "listener $n"; }',
  },
  {
    what: 'what is set for a call and taken away in it',
    app: 'final class Context { public static ?string $user = null; public static array $stack = []; }',
    handler:
      'Context::$user = "user $n"; Context::$stack[] = $n; try { strlen(Context::$user); } finally { Context::$user = null; array_pop(Context::$stack); }',
  },
  {
    what: 'an object that is made anew, with the same content',
    app: 'final class Now { public static ?object $config = null; }',
    handler: 'Now::$config = (object) ["debug" => false, "name" => "shop"];',
  },
  {
    what: 'counters and clocks inside of services',
    app: 'final class Statistics { private int $calls = 0; private float $lastAt = 0.0; private float $tookMs = 0.0; function count(): void { ++$this->calls; $this->lastAt = microtime(true); $this->tookMs = random_int(1, 999) / 10; } } final class All { public static ?Statistics $statistics = null; } All::$statistics = new Statistics();',
    handler: 'All::$statistics->count();',
  },
  {
    what: 'generators',
    app: 'function numbers(): \\Generator { foreach (range(1, 5) as $number) { yield $number; } } final class Source { public static ?\\Generator $open = null; }',
    handler: 'foreach (numbers() as $ignored) {} Source::$open = numbers(); Source::$open->current();',
  },
  {
    what: 'closures',
    app: 'final class Hooks { public static array $all = []; }',
    handler:
      'Hooks::$all["hook"] = static function () use ($app): void {}; $double = static fn (int $by): int => $n * $by; $double(2);',
  },
  {
    what: 'readonly objects and enums',
    app: 'enum Suit: string { case Hearts = "h"; case Spades = "s"; const WILD = self::Spades; } final class Money { public function __construct(public readonly int $cents, public readonly Suit $suit) {} } final class Prices { public static array $all = []; public static Suit $default = Suit::WILD; }',
    handler: 'Prices::$all[$n % 5] ??= new Money($n % 5, Suit::from("h")); Suit::cases();',
  },
  {
    what: 'classes that are loaded one by one, with memos of their own',
    app: 'spl_autoload_register(static function (string $class): void { require __DIR__ . "/lazy/" . substr($class, 5) . ".php"; });',
    files: LAZY_CLASSES,
    handler: '("Shop\\\\Lazy" . $n % 40)::make();',
  },
  {
    what: 'a default that names a class not loaded, which stays so',
    app: 'final class Config { public static array $modes = [Never::MODE]; const ALSO = Never::OTHER; static function f(): void { static $mode = Never::MODE; } } spl_autoload_register(static function (string $class): never { throw new \\Error("loaded $class"); });',
    handler: '',
  },
  {
    what: 'lazy settings of the application: values that are there after the first call',
    app: 'final class Locale { private static ?array $strings = null; static function get(): array { return self::$strings ??= array_fill(0, 500, "text"); } }',
    handler: 'Locale::get(); defined("Shop\\\\LOADED") || define("Shop\\\\LOADED", true);',
  },
  {
    what: 'references and cycles',
    app: 'final class Node { public ?Node $next = null; public array $list = []; } $a = new Node(); $a->next = new Node(); $a->next->next = $a; $a->list["self"] = &$a->list; return $a;',
    handler: '$app->list["n"] = $app; $cycle = new Node(); $cycle->next = $cycle;',
  },
  {
    what: 'random numbers, output buffers, closed files, caught exceptions',
    handler:
      'mt_rand(); shuffle_some(); ob_start(); ob_end_clean(); fclose(fopen("php://temp", "w+")); try { throw new \\RuntimeException("no"); } catch (\\RuntimeException) {} @trigger_error("quiet");',
    app: 'function shuffle_some(): void { $all = [1, 2, 3]; shuffle($all); }',
  },
  {
    what: 'a ring of 50',
    app: 'final class Ring { private array $all = []; function add(int $one): void { $this->all[] = $one; if (count($this->all) > 50) { array_shift($this->all); } } } return new Ring();',
    handler: '$app->add($n);',
  },
  {
    what: 'a circuit breaker',
    app: 'final class Breaker { private string $state = "closed"; private int $failures = 0; function fail(): void { if (++$this->failures > 3) { $this->state = "open"; } } function succeed(): void { $this->failures = 0; $this->state = $this->state === "open" ? "half open" : "closed"; } } return new Breaker();',
    handler: '$n * $n % 7 % 3 > 0 ? $app->fail() : $app->succeed();',
  },
  {
    what: 'a buffer that is written out at 4 KB',
    app: 'final class Log { private string $lines = ""; function add(string $line): void { $this->lines .= $line; if (strlen($this->lines) > 4000) { $this->lines = $line; } } } return new Log();',
    handler: '$app->add("line $n\\n");',
  },
  {
    what: 'a memo of what was used last',
    handler:
      'static $key = null, $value = null; $k = $n * $n % 7; if ($k !== $key) { $key = $k; $value = "value $k"; }',
  },
  {
    what: 'times',
    app: 'final class Clock { private ?\\DateTimeImmutable $last = null; public string $stamp = ""; function tick(int $n): void { $this->last = new \\DateTimeImmutable("@$n"); $this->stamp = $this->last->format("c"); } } return new Clock();',
    handler: '$app->tick($n);',
  },
  {
    what: 'the state of a generator of random numbers',
    app: 'final class Random { private int $state = 1; function next(): void { $this->state = ($this->state * 1103515245 + 12345) & 0x7fffffff; } } return new Random();',
    handler: '$app->next();',
  },
  {
    what: 'a token that is renewed every eighth call, counted down, and keys that are fetched again',
    app: 'final class Client { private ?string $bearer = null; private int $left = 0; private array $keys = []; function get(int $n): void { if ($this->left-- <= 0) { $this->bearer = "bearer $n"; $this->left = 7; $this->keys = ["key $n" => "x"]; } } } return new Client();',
    handler: '$app->get($n);',
  },
  {
    what: 'a switch',
    handler: 'static $isOn = false; $isOn = !$isOn;',
  },
  {
    what: 'settings that are put back by the handler itself',
    handler:
      '$was = set_error_handler(static fn (): bool => true); restore_error_handler(); $zone = date_default_timezone_get(); date_default_timezone_set("Asia/Tokyo"); date_default_timezone_set($zone);',
  },
];

describe('nothing is told in 500 calls of', () => {
  test.each(HEALTHY)('$what', async ({ handler, app = '', files = {} }) => {
    const { leaks } = await watch({ handler, app, files, calls: 500 });
    expect(leaks).toEqual([]);
  });

  test.each(HEALTHY)('$what, compared densely', async ({ handler, app = '', files = {} }) => {
    const { leaks } = await watch({ handler, app, files, calls: 500, dense: true });
    expect(named(leaks)).toEqual([]);
  });
});

test('cycles that pile up until the collector comes are no growing memory', async () => {
  const { leaks } = await watch({
    app: 'final class Node { public ?Node $next = null; public string $text = ""; }',
    handler: '$a = new Node(); $a->next = $a; $a->text = str_repeat("x", 300);',
    calls: 12_000,
  });
  expect(leaks).toEqual([]);
});

test('the sentinel itself keeps no more memory with time', async () => {
  const { seen } = await watch({
    app: `${LRU} return new Lru(20);`,
    handler: '$app->get("key $n", strlen(...));',
    seen: 'memory_get_usage()',
    calls: 5000,
  });
  const at = (call: number): number => Number(seen[call]);
  // One `seen` of each call is kept, in an array that doubles: 16 bytes a call, and 32 while it has doubled.
  expect(at(4999) - at(2500)).toBeLessThan(200_000);
});

test('no constructor runs for static variables of functions that nobody called', async () => {
  const { leaks, seen } = await watch({
    app: `final class Client { public static int $made = 0; function __construct() { ++self::$made; } }
      function never(): void { static $one = ';', $client = new Client(); }
      final class Shop { function never(): void { static $client = new Client(); } }
      $closure = static function (): void { static $client = new Client(); };
      return [$closure];`,
    handler: 'static $calls = "-"; $calls = "call $n";',
    seen: 'Client::$made',
    calls: 8,
  });
  expect(new Set(seen)).toEqual(new Set([0]));
  expect(named(leaks)).toEqual([expect.stringContaining('static $calls')]);
});
