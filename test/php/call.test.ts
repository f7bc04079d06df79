/** What a handler gets and gives when nothing goes wrong, and what its trace tells. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { type Answer, ask } from '../support/call.ts';
import { eachEngine } from '../support/engines.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';

const root = join(import.meta.dirname, '..', '..');

eachEngine(({ startGateway, forgetsGlobals, hasInputStream, stderrMaxBytes }) => {
  const file = wholeFile();
  let gateway: Gateway;

  beforeAll(async () => {
    const project = functionsProject(
      {
        echo: 'return $input;',
        digest: 'return [strlen($input), hash("sha256", $input)];',
        binary: ['return new Binary(random_bytes(3) . "\\0\\xff\\n" . $input);', "output: binary('application/pdf')"],
        family: ["return new Binary('x', 'image/webp');", "output: binary('image/*')"],
        declared: [
          "throw new Failure('no-lines', ['number' => 'A1'], 'It has none.');",
          "errors: { 'no-lines': z.object({ number: z.string() }) }",
        ],
        conflict: ["throw new Failure('taken');", 'errors: { taken: { status: 409, data: z.null() } }'],
        warnings:
          "echo @$undefined; $a = []; $a['absent']; trigger_error('careful', E_USER_WARNING); error_log('by hand'); return 1;",
        'stderr-huge': "for ($i = 0; $i < 300; $i++) { error_log(str_repeat('e', 1000)); } return 1;",
        logs: "for ($i = 0; $i < 120; $i++) { $call->log(\"entry $i\", ['i' => $i], 'warn'); } return [count($call->logs()), $call->droppedLogs()];",
        'log-odd': `
      $call->log(str_repeat('€', 4000));
      $call->log("broken \\xff", ["broken" => "\\xff"]);
      $call->log('large', ['text' => str_repeat('x', 100_000)]);
      $call->log('throws', [new class implements \\JsonSerializable { public function jsonSerialize(): mixed { throw new \\Exception('no'); } }]);
      $call->log('nan', [NAN]);
      $a = []; $a['self'] = &$a; $call->log('recursive', $a);
      return 1;`,
        'log-level': "$call->log('x', [], 'fatal'); return 1;",
        'log-full':
          "for ($i = 0; $i < 200; $i++) { $call->log(str_repeat('x', 9000), ['y' => str_repeat('y', 100_000)]); } return 1;",
        self: '$a = $call->remainingMs(); return [$call->id, $call->function, $call->attempt, $a <= 30000.0 && $a > 0.0 && $call->remainingMs() <= $a, $call->traceparent()];',
        server:
          'return [array_keys($_SERVER), array_keys(getenv()), $_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST, count($argv ?? [])];',
        'input-stream': "return file_get_contents('php://input');",
        scope: 'return array_keys(get_defined_vars());',
        'ini-get':
          "return [ini_get('memory_limit'), ini_get('precision'), ini_get('date.timezone'), set_error_handler(null) === null, ob_get_level()];",
        'ini-set':
          "ini_set('memory_limit', '64M'); ini_set('precision', '3'); date_default_timezone_set('Asia/Tokyo'); set_error_handler(fn () => true); ob_start(); putenv('LEFT=over'); return 1;",
        left: "$GLOBALS['left'] = ($GLOBALS['left'] ?? 0) + 1; return [$GLOBALS['left'], getenv('LEFT')];",
        map: ["return ['map' => []];", 'output: z.object({ map: z.record(z.string(), z.number()) })'],
        'map-object': ["return ['map' => (object) []];", 'output: z.object({ map: z.record(z.string(), z.number()) })'],
      },
      file,
    );
    gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project }, file);
  });

  const roundTrip = async (value: unknown): Promise<unknown> => (await ask(gateway, 'echo', value)).body;
  const eventsOf = ({ events }: Answer, name: string) => events.filter((event) => event.name === name);

  describe('values', () => {
    test.each([
      ['unicode', ['héllo', '日本語', '👩‍👩‍👧', '\u2028\u2029', '\u0000', '"\\/', 'e\u0301']],
      ['keys', { '': 1, 'a b': 2, '0': 3, é: 4, 'a.b': 5, 'a[b]': 6 }],
      ['numbers', [0, -1, 1.5, 0.1, 1e-7, 123456789012, 9007199254740991, -9007199254740991, 1e300, 5e-324]],
      ['nothing', [null, true, false, '', []]],
      ['a bare string', 'text'],
      ['a bare null', null],
      ['a list of lists', [[1], [[2]], [[[]]]]],
    ])('%s come back as they were sent', async (_, value) => {
      expect(await roundTrip(value)).toEqual(value);
    });

    test('64 levels come back as they were sent', async () => {
      let value: unknown = 'deep';
      for (let level = 0; level < 63; level += 1) value = level % 2 ? [value] : { value };
      expect(await roundTrip(value)).toEqual(value);
    });

    test('1 MB comes back as it was sent', async () => {
      const value = { text: 'é😀"\\\n'.repeat(65_000) };
      expect(await roundTrip(value)).toEqual(value);
    });

    test('handlers of the same worker never see each other’s input', async () => {
      expect((await ask(gateway, 'input-stream', { secret: 1 })).body).toBe(hasInputStream ? '{"secret":1}' : '');
      expect((await ask(gateway, 'input-stream')).body).toBe(hasInputStream ? 'null' : '');
    });

    test('an empty PHP array where the contract wants a map fails with the cure', async () => {
      expect((await ask(gateway, 'map')).body).toMatchObject({
        code: 'invalid-function-output',
        detail: expect.stringContaining('(object) []'),
      });
      expect((await ask(gateway, 'map-object')).body).toEqual({ map: {} });
    });

    test('a Binary goes out byte by byte under the contract’s media type', async () => {
      const { status, type } = await ask(gateway, 'binary', 'x');
      expect([status, type]).toEqual([200, 'application/pdf']);
      const result = (await gateway.invoke('binary', 'x')) as { bytes: Uint8Array; mediaType: string };
      expect(Buffer.from(result.bytes).subarray(3)).toEqual(Buffer.from([0, 255, 10, 120]));
    });

    test('a Binary of a family names its own media type', async () => {
      expect(await ask(gateway, 'family')).toMatchObject({ status: 200, type: 'image/webp' });
    });
  });

  describe('declared errors', () => {
    test('reach the caller as 422 with code, message and data', async () => {
      expect(await ask(gateway, 'declared')).toMatchObject({
        status: 422,
        body: { code: 'no-lines', detail: 'It has none.', data: { number: 'A1' }, executed: 'yes', source: 'function' },
      });
    });

    test('may have a status of their own', async () => {
      expect(await ask(gateway, 'conflict')).toMatchObject({ status: 409, body: { code: 'taken', data: null } });
    });
  });

  describe('STDERR', () => {
    test('warnings and error_log() are in the trace and do not fail the call', async () => {
      const answer = await ask(gateway, 'warnings');
      expect(answer).toMatchObject({ status: 200, body: 1 });
      const [stderr] = eventsOf(answer, 'stderr');
      for (const said of ['careful', 'by hand', 'absent']) expect(stderr?.attributes['log.message']).toContain(said);
    });

    test('more of it than is kept is counted and does not fail the call', async () => {
      const answer = await ask(gateway, 'stderr-huge');
      expect(answer.status).toBe(200);
      const [stderr] = eventsOf(answer, 'stderr');
      expect(stderr?.attributes['fpm_gateway.stderr_bytes']).toBeGreaterThanOrEqual(Math.min(300_000, stderrMaxBytes));
      expect(String(stderr?.attributes['log.message']).length).toBeLessThan(10_000);
    });
  });

  describe('Call', () => {
    test('keeps the first 100 log entries and counts the rest', async () => {
      const answer = await ask(gateway, 'logs');
      expect(answer.body).toEqual([100, 20]);
      const logs = eventsOf(answer, 'log');
      expect(logs).toHaveLength(100);
      expect(logs[99]?.attributes).toEqual({
        'log.severity': 'warn',
        'log.message': 'entry 99',
        'log.context': '{"i":99}',
      });
    });

    test('takes anything into the log without failing the call', async () => {
      const answer = await ask(gateway, 'log-odd');
      expect(answer).toMatchObject({ status: 200, body: 1 });
      const contexts = eventsOf(answer, 'log').map((event) => String(event.attributes['log.context']));
      expect(contexts).toHaveLength(6);
      expect(contexts[2]).toContain('"bytes":');
      expect(contexts[3]).toBe('{"unencodable":"no"}');
      expect(contexts[4]).toContain('unencodable');
    });

    test('a log as full as it can be does not make the answer too large', async () => {
      expect(await ask(gateway, 'log-full')).toMatchObject({ status: 200, body: 1 });
    });

    test('refuses an unknown log level', async () => {
      expect((await ask(gateway, 'log-level')).body).toMatchObject({ code: 'function-error', reason: 'exception' });
    });

    test('knows its id, function, attempt, remaining time and trace', async () => {
      const { body, events: _ } = await ask(gateway, 'self');
      expect(body.slice(1, 4)).toEqual(['self', 1, true]);
      expect(body[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
      const [record] = gateway.tracer.ring.list(1);
      const php = record?.spans.find((span) => span.kind === 'internal');
      expect(body[0]).toBe(record?.callId);
      expect(body[4]).toBe(`00-${record?.traceId}-${php?.spanId}-01`);
    });

    test('fake() runs a handler in a unit test of its own, without the gateway', () => {
      const code = `require '${root}/gateway/php/autoload.php';
      $call = FpmGateway\\Call::fake();
      $result = (require '${root}/functions/echo.php')(['name' => 'Ada'], $call);
      $call->log('x', ['a' => 1]);
      echo json_encode([$result, $call->attempt, $call->remainingMs() > 0, preg_match('/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/', $call->traceparent()), count($call->logs())]);`;
      expect(JSON.parse(execFileSync('php', ['-r', code], { encoding: 'utf8' }))).toEqual([
        { hello: 'Ada' },
        1,
        true,
        1,
        1,
      ]);
    });
  });

  test('fake() runs what a handler gave to onCancel(), with its reason, once', () => {
    const code = `require '${root}/gateway/php/autoload.php';
      $call = FpmGateway\\Call::fake();
      $told = [];
      $handler = function (array $input, FpmGateway\\Call $call) use (&$told) {
        $call->onCancel(function (string $why) use (&$told) { $told[] = "first $why"; });
        $call->onCancel(function (string $why) use (&$told) { $told[] = "second $why"; });
      };
      $handler([], $call);
      $before = $told;
      $call->cancel('timeout');
      $call->cancel('timeout');
      echo json_encode([$before, $told]);`;
    const told = JSON.parse(execFileSync('php', ['-r', code], { encoding: 'utf8' })) as unknown;
    expect(told).toEqual([[], ['first timeout', 'second timeout']]);
  });

  describe('what PHP sees', () => {
    test('is the gateway’s own parameters and nothing of the caller’s', async () => {
      const response = await gateway.fetch(
        new Request('http://localhost/functions/server', {
          method: 'POST',
          body: '1',
          headers: {
            'content-type': 'application/json',
            cookie: 'a=b',
            'php-value': 'precision=3',
            'x-anything': '1',
            'fpmg-handler': '/etc/passwd',
          },
        }),
      );
      expect(response.status).toBe(200);
      const [server, env, ...rest] = (await response.json()) as [string[], string[], ...unknown[]];
      const own =
        /^(?:FPMG_[A-Z_]+|GATEWAY_INTERFACE|SERVER_(?:SOFTWARE|PROTOCOL)|REQUEST_(?:METHOD|URI|TIME|TIME_FLOAT)|CONTENT_(?:TYPE|LENGTH)|SCRIPT_(?:FILENAME|NAME)|FCGI_ROLE|PHP_SELF|USER|HOME|argv|argc)$/;
      expect(server.filter((key) => !own.test(key))).toEqual([]);
      expect(env.filter((key) => !own.test(key))).toEqual([]);
      expect(rest).toEqual([[], [], [], [], [], 0]);
    });

    test('is no variable but the handler’s own', async () => {
      expect((await ask(gateway, 'scope')).body).toEqual(['input', 'call']);
    });

    test('is ini settings, handlers, buffers and the environment as if no call had been before', async () => {
      const before = (await ask(gateway, 'ini-get')).body;
      await ask(gateway, 'ini-set');
      expect((await ask(gateway, 'ini-get')).body).toEqual(before);
      expect((await ask(gateway, 'left')).body).toEqual([1, false]);
      expect((await ask(gateway, 'left')).body).toEqual([forgetsGlobals ? 1 : 2, false]);
    });
  });
});

test('the runtime’s version is the same on both sides', async () => {
  const { RUNTIME_VERSION } = await import('../../gateway/pool/envelope.ts');
  const php = readFileSync(join(root, 'gateway', 'php', 'Runtime.php'), 'utf8');
  expect(php).toContain(`VERSION = ${RUNTIME_VERSION};`);
});
