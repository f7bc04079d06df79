/** `FpmGateway\Cache` from the command line, against a listener in this process that can be taken away. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { CacheListener } from '../../gateway/cache/listener.ts';
import { silentLog } from '../../gateway/log.ts';
import { temporaryFolder, thisTest } from '../support/lifetime.ts';
import { until } from '../support/until.ts';
import { type Opened, openCache } from './caller.ts';

const run = promisify(execFile);
const AUTOLOAD = join(import.meta.dirname, '../../gateway/php/autoload.php');

/** What the code echoes as JSON. `$cache` is there, and `try_()`, which tells what was thrown. */
const php = async (path: string, code: string, ini: readonly string[] = []): Promise<unknown> => {
  const before = `require '${AUTOLOAD}'; use FpmGateway\\Cache; use FpmGateway\\Cache\\Unavailable;
    function try_(callable $do): mixed { try { return $do(); } catch (\\Throwable $t) { return get_class($t) . ': ' . $t->getMessage(); } }
    $cache = Cache::ofEnvironment();`;
  const args = [...ini.flatMap((one) => ['-d', one]), '-r', `${before} ${code}`];
  const { stdout } = await run('php', args, { env: { ...process.env, FPMG_CACHE: `unix:${path}` } });
  return JSON.parse(stdout);
};

/** As JSON cannot: with types, all digits and bytes that are no text. */
const VALUES = `$values = [null, true, false, 0, -1, PHP_INT_MAX, PHP_INT_MIN, 0.1 + 0.2, -0.0, 1e308, 5e-324, NAN, INF, -INF, '', "\\0\\xff\\n", 'ü', '1', [],
  [1, 2.5, null, true], ['a' => ['b' => [0.1 + 0.2, "\\x80", -0.0]], 5 => PHP_INT_MIN, '05' => '', '' => [[]]], str_repeat("\\xfe", 500000), array_fill(0, 10000, M_PI)];
  $same = fn (mixed $a, mixed $b): bool => serialize($a) === serialize($b);`;

test.each([
  ['of a gateway', '$cache', []],
  ['for unit tests', 'Cache::fake()', []],
  ['where PHP rounds what it serializes', '$cache', ['serialize_precision=5']],
])('any value comes back as it went into a cache %s', async (_, cache, ini) => {
  const { path } = await openCache();
  const code = `${VALUES} $cache = ${cache}; $wrong = [];
    foreach ($values as $at => $value) {
      $cache->set('k', $value);
      $got = [$cache->get('k', 'none'), $cache->many(['k'])['k'], $cache->remember('k', 1000, fn () => 'made')];
      ini_set('serialize_precision', '-1');
      foreach ($got as $one) { if (!$same($one, $value)) { $wrong[] = $at; } }
      ini_set('serialize_precision', '${ini.length === 0 ? -1 : 5}');
    }
    echo json_encode([$wrong, count($values)]);`;
  expect(await php(path, code, ini)).toEqual([[], 23]);
});

test('what cannot be cached is refused, and told where it is', async () => {
  const { path } = await openCache();
  const code = `$loop = []; $loop['again'] = &$loop;
    echo json_encode(array_map(fn ($value) => try_(fn () => $cache->set('k', $value)), [
      new DateTime(), ['user' => ['at' => [1, fn () => 1]]], [1, STDIN], $loop, Closure::fromCallable('strlen')]));`;
  const takes = ': the cache takes null, bool, int, float, string and arrays of them. Make an array or a string of it.';
  expect(await php(path, code)).toEqual([
    `TypeError: $value is an object (DateTime)${takes}`,
    `TypeError: $value['user']['at'][1] is an object (Closure)${takes}`,
    `TypeError: $value[1] is a resource (stream)${takes}`,
    expect.stringMatching(/^TypeError: Arrays in the cache are nested at most 64 deep; \$value\['again'\]\['again'\]/),
    `TypeError: $value is an object (Closure)${takes}`,
  ]);
});

test('limits are told with what was met', async () => {
  const { path } = await openCache({ valueMaxBytes: 5000 });
  const code = `$long = str_repeat('k', 251);
    echo json_encode([
      ...array_map(try_(...), [
        fn () => $cache->get(''), fn () => $cache->get($long), fn () => $cache->set($long, 1), fn () => $cache->many(['a', $long]),
        fn () => $cache->set('k', 1, 0), fn () => $cache->increment('k', 1, -5), fn () => $cache->remember('k', 1, fn () => 1, 0),
        fn () => $cache->set('k', str_repeat('x', 5000)), fn () => $cache->add('k', array_fill(0, 2000, 1)),
        fn () => $cache->remember('k', 1000, fn () => str_repeat('x', 9000)),
        fn () => $cache->set('k', str_repeat('x', 4999)), fn () => $cache->get(str_repeat('k', 250), 'none'),
      ])]);`;
  expect(await php(path, code)).toEqual([
    'ValueError: A key of the cache has 1 to 250 bytes, this one 0.',
    expect.stringMatching(/^ValueError: A key of the cache has 1 to 250 bytes, this one 251: "k{40}…"/),
    expect.stringContaining('this one 251'),
    expect.stringContaining('this one 251'),
    'ValueError: ttlMs is 0: it is 1 to 315360000000 (ten years), or null for none.',
    expect.stringContaining('ttlMs is -5'),
    'ValueError: leaseMs is 0: it is 1 to 600000.',
    'LengthException: The value for "k" has 5001 bytes, encoded; the cache of this pool takes 5000 (pools.<name>.cache.valueMaxBytes, and maxBytes).',
    expect.stringMatching(/has \d{5} bytes, encoded; the cache of this pool takes 5000/),
    expect.stringContaining('has 9001 bytes'),
    true,
    'none',
  ]);
});

test.each([
  ['of a gateway', '$cache'],
  ['for unit tests', 'Cache::fake()'],
])('each method does what it says, in a cache %s', async (_, cache) => {
  const { path } = await openCache();
  const code = `$cache = ${cache}; $cache->set('text', 'x');
    echo json_encode([
      $cache->get('a'), $cache->get('a', 'default'), $cache->add('a', 1), $cache->add('a', 2), $cache->get('a'),
      $cache->delete('a'), $cache->delete('a'),
      $cache->increment('n'), $cache->increment('n', 10), $cache->increment('n', -20), $cache->get('n'),
      try_(fn () => $cache->increment('text')), try_(fn () => $cache->increment('n', PHP_INT_MIN)),
      $cache->set('null', null), $cache->get('null', 'default'), $cache->many(['n', 'none', 'text', 'null']), $cache->set('7', 'seven'), $cache->many([7]),
      $cache->remember('r', 60000, fn () => 'made'), $cache->remember('r', 60000, fn () => 'again'),
      try_(fn () => $cache->remember('s', 60000, fn () => throw new DomainException('not now'))), $cache->remember('s', 60000, fn () => 'then'),
      $cache->remember('t', 60000, fn () => $cache->remember('t', 60000, fn () => 'inner') . ' and outer'),
      $cache->remember('zero', 60000, fn () => null), $cache->remember('zero', 60000, fn () => 1),
    ]);`;
  expect(await php(path, code)).toEqual([
    ...[null, 'default', true, false, 1, true, false, 1, 11, -9, -9],
    'UnexpectedValueException: What the cache holds under "text" is no integer: it cannot be incremented.',
    `OverflowException: The counter "n" cannot be changed by ${-(2n ** 63n)}: PHP has no integer of that size.`,
    ...[true, null, { n: -9, text: 'x', null: null }, true, { 7: 'seven' }],
    ...['made', 'made', 'DomainException: not now', 'then', 'inner and outer', null, null],
  ]);
});

test('a time limit of its own for each', async () => {
  const { path } = await openCache();
  const code = `$cache->set('short', 1, 40); $cache->increment('n', 1, 40); $cache->increment('n', 1, 60000); $cache->set('long', 1, 60000); $cache->set('ever', 1);
    $before = $cache->many(['short', 'n', 'long', 'ever']);
    while ($cache->get('short') !== null || $cache->get('n') !== null) { usleep(1000); }
    echo json_encode([$before, $cache->many(['short', 'n', 'long', 'ever'])]);`;
  expect(await php(path, code)).toEqual([
    { short: 1, n: 2, long: 1, ever: 1 },
    { long: 1, ever: 1 },
  ]);
});

test('many keys and large values in one go', async () => {
  const { path } = await openCache();
  const code = `$keys = []; for ($i = 0; $i < 3000; $i++) { $keys[] = "key $i"; if ($i % 3 === 0) { $cache->set("key $i", str_repeat((string) ($i % 10), $i)); } }
    $found = $cache->many($keys); $wrong = 0;
    foreach ($found as $key => $value) { $i = (int) substr($key, 4); $wrong += (int) ($value !== str_repeat((string) ($i % 10), $i)); }
    echo json_encode([count($found), $wrong, $cache->many([])]);`;
  expect(await php(path, code)).toEqual([1000, 0, []]);
});

const reopen = async ({ cache, path }: Opened): Promise<void> => {
  const options = { pool: 'default', path, user: undefined, connectionsMax: 100, cache, log: silentLog };
  const listener = await CacheListener.open(options);
  thisTest(() => listener.destroy());
};

test('a process goes on with a gateway that was started anew', async () => {
  const opened = await openCache();
  // The test answers each line of this process, so that both know where the other is.
  const script = `$say = function (mixed $what): void { echo json_encode($what) . "\\n"; fgets(STDIN); };
    $say($cache->increment('n')); $say($cache->increment('n')); $say($cache->get('n'));`;
  const env = { ...process.env, FPMG_CACHE: `unix:${opened.path}` };
  const code = `require '${AUTOLOAD}'; $cache = FpmGateway\\Cache::ofEnvironment(); ${script}`;
  const running = run('php', ['-r', code], { env });
  const lines: string[] = [];
  running.child.stdout?.on('data', (line: Buffer) => {
    lines.push(String(line).trim());
    void (async () => {
      if (lines.length === 1) {
        opened.listener.destroy();
        rmSync(opened.path, { force: true });
        await reopen(opened);
      }
      running.child.stdin?.write('\n');
    })();
  });
  await running;
  expect(lines).toEqual(['1', '2', '2']);
});

test('without a gateway pages go on, and who relies on an answer is told', async () => {
  const path = join(temporaryFolder(), 'nobody.sock');
  const code = `$what = fn (string $text): string => preg_replace('~unix://\\S+~', 'it', $text);
    echo json_encode([
      $cache->get('k', 'default'), $cache->set('k', 1), $cache->many(['k']), $cache->remember('k', 1000, fn () => 'made'),
      ...array_map(fn ($do) => $what(try_($do)), [fn () => $cache->increment('k'), fn () => $cache->add('k', 1), fn () => $cache->delete('k')])]);`;
  const gone = 'FpmGateway\\Cache\\Unavailable: The cache at it could not be reached a moment ago.';
  expect(await php(path, code)).toEqual(['default', false, [], 'made', gone, gone, gone]);
  const first = `echo json_encode(try_(fn () => $cache->increment('k')));`;
  expect(await php(path, first)).toMatch(/Unavailable: The cache at unix:\S+ cannot be reached: No such file/);
});

/** A gateway that goes wrong: it gets each connection's socket. */
const openStrange = async (serve: (socket: Socket, nth: number) => void): Promise<string> => {
  const path = join(temporaryFolder(), 'strange.sock');
  let nth = 0;
  const server = createServer((socket) => {
    nth += 1;
    socket.on('error', () => {});
    serve(socket, nth);
  });
  await new Promise<void>((resolve) => server.listen({ path }, resolve));
  thisTest(() => void server.close());
  return path;
};

/** An answer with that number: the integer 7. */
const seven = (number: Buffer): Buffer =>
  Buffer.concat([Buffer.from([18, 0, 0, 0]), number, Buffer.from([0, 0x69, 7, 0, 0, 0, 0, 0, 0, 0])]);

test.each([
  ['ends before its answer', (socket: Socket) => void socket.destroy()],
  ['ends in the middle of it', (socket: Socket, number: Buffer) => void socket.end(seven(number).subarray(0, 16))],
  ['brings the answer of another request', (socket: Socket) => void socket.write(seven(Buffer.alloc(8, 1)))],
  [
    'brings more than the answer',
    (socket: Socket, number: Buffer) => void socket.write(Buffer.concat([seven(number), seven(number)])),
  ],
  ['brings what is no answer', (socket: Socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')],
])('a connection that %s is given up: reads are asked again, a counter is not', async (_, wrong) => {
  let asked = 0;
  const path = await openStrange((socket, nth) => {
    socket.on('data', (request) => {
      asked += 1;
      const number = request.subarray(4, 12);
      if (nth % 2 === 1) wrong(socket, number);
      else socket.write(seven(number));
    });
  });
  expect(await php(path, `echo json_encode([$cache->get('k'), try_(fn () => $cache->get('k'))]);`)).toEqual([7, 7]);
  expect(asked).toBe(3);
  expect(await php(path, `echo json_encode(try_(fn () => $cache->increment('k')));`)).toMatch(
    /Unavailable: The cache at \S+ cannot be reached: .*; it may have been done, or not\.$/,
  );
  expect(asked).toBe(4);
});

test('a gateway that does not answer costs its time limit once, not for each key', async () => {
  let asked = 0;
  const path = await openStrange((socket) => socket.on('data', () => (asked += 1)));
  const code = `$t = hrtime(true); for ($i = 0; $i < 100; $i++) { $cache->get("k$i"); } echo json_encode((hrtime(true) - $t) / 1e9);`;
  expect(await php(path, code)).toBeLessThan(10);
  expect(asked).toBe(1);
});

test('a forked process has a connection of its own', async () => {
  const { path, listener } = await openCache();
  const code = `$cache->set('k', 'parent'); $pids = [];
    for ($i = 0; $i < 4; $i++) {
      $pid = pcntl_fork();
      if ($pid === 0) { for ($n = 0; $n < 500; $n++) { $cache->increment('n'); if ($cache->get('k') !== 'parent') { exit(1); } } exit(0); }
      $pids[] = $pid;
    }
    for ($n = 0; $n < 500; $n++) { $cache->increment('n'); }
    $ends = []; foreach ($pids as $pid) { pcntl_waitpid($pid, $status); $ends[] = $status; }
    echo json_encode([$ends, $cache->get('n')]);`;
  expect(await php(path, code)).toEqual([[0, 0, 0, 0], 2500]);
  expect(listener.connections).toBeLessThan(2);
});

test('of many that ask at once for what is missing, one makes it', async () => {
  const { path } = await openCache();
  const one = `$value = $cache->remember('k', 60000, function () use ($cache): string { $cache->increment('made'); usleep(100000); return 'value'; });
    echo json_encode([$value, $cache->get('made')]);`;
  const all = await Promise.all(Array.from({ length: 6 }, () => php(path, one)));
  expect(all).toEqual(Array(6).fill(['value', 1]));
});

test('a connection opened before a fork can be closed, and is opened anew when it is needed', async () => {
  const { path, listener } = await openCache();
  const code = `$sockets = fn (): int => count(array_filter(scandir('/proc/self/fd'), fn ($fd) => str_starts_with((string) @readlink("/proc/self/fd/$fd"), 'socket:')));
    $before = $sockets(); $cache->set('k', 1); $open = $sockets(); Cache::disconnect();
    echo json_encode([$open - $before, $sockets() - $before, $cache->get('k'), $sockets() - $before]);`;
  expect(await php(path, code)).toEqual([1, 0, 1, 1]);
  await until('all are gone', () => listener.connections === 0);
});
