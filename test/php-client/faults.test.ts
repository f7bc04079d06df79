/** What the client makes of answers that are cut, late, garbled or from something else, and of connections that die. */
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../support/lifetime.ts';
import { type PhpOptions, php } from '../support/php-client.ts';
import {
  answerOf,
  chunk,
  chunkedHead,
  problemOf,
  type ScriptedGateway,
  type ScriptedOptions,
  type ScriptedRequest,
  scriptedGateway,
} from '../support/scripted-gateway.ts';
import { until } from '../support/until.ts';

/** Says this, and nothing more; `end` closes behind it. */
const says =
  (text: string | Buffer, { end = false } = {}) =>
  ({ socket }: ScriptedRequest): void => {
    socket.write(text);
    if (end) socket.end();
  };

/** The nth request gets the nth answer, the last one from then on. */
const inTurn =
  (...answers: ((request: ScriptedRequest) => void)[]) =>
  (request: ScriptedRequest): void =>
    answers[Math.min(request.number, answers.length) - 1]?.(request);

const ASK = "told(fn () => $client->invoke('f', ['a' => 1]))";

const ask = async (
  answer: (request: ScriptedRequest) => void,
  { body = `return ${ASK};`, ...options }: PhpOptions & ScriptedOptions & { readonly body?: string } = {},
): Promise<{ said: unknown; gateway: ScriptedGateway }> => {
  const gateway = await scriptedGateway(answer, options);
  return { said: await php(gateway.address, body, options), gateway };
};

const close = ({ socket }: ScriptedRequest): void => void socket.destroy();

describe('answers that are right are read however they come', () => {
  const value = { text: 'é€'.repeat(50) };
  const json = JSON.stringify(value);
  const [first, second] = [json.slice(0, 30), json.slice(30)];
  const forms: Record<string, string> = {
    'with a length': answerOf(value),
    'in chunks': chunkedHead() + chunk(first) + chunk(second) + chunk(''),
    'with extensions and trailers': `${chunkedHead()}${chunk(first).replace('\r\n', ';a="b"\r\n')}${chunk(second)}0\r\nx: y\r\n\r\n`,
    'behind 1xx': `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${answerOf(value)}`,
    'with odd but right headers': answerOf(value, { headers: 'X-A:  b \r\nX-A: c\r\nx-empty:\r\n' }),
  };

  test.each(Object.entries(forms))('%s, byte by byte', async (_, text) => {
    const bytes = Buffer.from(text);
    const drip = ({ socket }: ScriptedRequest): void => {
      socket.setNoDelay(true);
      let at = 0;
      const next = (): void => {
        if (at < bytes.length) socket.write(bytes.subarray(at, ++at), () => setImmediate(next));
      };
      next();
    };
    expect((await ask(drip, { tcp: true })).said).toEqual(value);
  });

  const unframed = `200 OK\r\nfpm-gateway-protocol: 1\r\ncontent-type: application/json\r\n\r\n${json}`;

  test('until the connection ends, of a proxy that speaks HTTP/1.0', async () => {
    expect((await ask(says(`HTTP/1.0 ${unframed}`, { end: true }))).said).toEqual(value);
  });

  test('but not until it is reset, and never so of HTTP/1.1', async () => {
    const resetting = ({ socket }: ScriptedRequest): void =>
      void socket.write(`HTTP/1.0 ${unframed}`, () => socket.resetAndDestroy());
    expect((await ask(resetting, { tcp: true })).said).toMatchObject({ failureCode: 'network-failed' });
    expect((await ask(says(`HTTP/1.1 ${unframed}`, { end: true }))).said).toMatchObject({
      failureCode: 'bad-answer',
      executed: 'yes',
      detail: expect.stringContaining('neither a length nor chunks'),
    });
  });

  test.each([
    ['bytes whatever their type, where the gateway says so', 'application/json', 'fpm-gateway-output: bytes\r\n'],
    ['bytes of any type but application/json', 'application/geo+json', ''],
  ])('%s', async (_, type, headers) => {
    const body = `$bytes = $client->invoke('f'); return [$bytes instanceof Binary, $bytes->bytes, $bytes->mediaType];`;
    expect((await ask(says(answerOf({ a: 1 }, { type: `${type}; x=y`, headers })), { body })).said).toEqual([
      true,
      '{"a":1}',
      `${type}; x=y`,
    ]);
  });
});

describe('answers that are not whole', () => {
  test.each<[string, string, string, string]>([
    ['nothing at all', '', 'network-failed', 'unknown'],
    ['half a head', answerOf({ a: 1 }).slice(0, 40), 'network-failed', 'unknown'],
    ['half a body', answerOf({ a: 'long enough' }).slice(0, -5), 'network-failed', 'yes'],
    ['half a chunk', chunkedHead() + chunk('{"a":1}').slice(0, -6), 'network-failed', 'yes'],
    ['no last chunk', chunkedHead() + chunk('{"a":1}'), 'network-failed', 'yes'],
    [
      'half of a problem',
      problemOf(503, { code: 'overloaded', executed: 'no' }).slice(0, -5),
      'network-failed',
      'unknown',
    ],
  ])('%s: the caller is told, and what is known of its call', async (_, text, failureCode, executed) => {
    const { said } = await ask(says(text, { end: true }));
    expect(said).toMatchObject({ failureCode, executed, retryable: false });
  });
});

describe('answers that are wrong', () => {
  const ours = 'fpm-gateway-protocol: 1\r\n';
  test.each<[string, string]>([
    ['no HTTP', '\x16\x03\x01 what is this\r\n\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9\r\n'],
    ['an odd status', `HTTP/1.1 20 OK\r\n${ours}\r\n`],
    ['a header without a colon', `HTTP/1.1 200 OK\r\n${ours}broken\r\n\r\n`],
    ['a folded header', `HTTP/1.1 200 OK\r\n${ours}x: a\r\n b\r\n\r\n`],
    ['a length that is none', `HTTP/1.1 200 OK\r\n${ours}content-length: 1e3\r\n\r\n`],
    ['two lengths', `HTTP/1.1 200 OK\r\n${ours}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`],
    [
      'a length and chunks',
      `${chunkedHead().replace('transfer', 'content-length: 2\r\ntransfer')}2\r\n{}\r\n0\r\n\r\n`,
    ],
    ['a coding nobody asked for', `HTTP/1.1 200 OK\r\n${ours}transfer-encoding: gzip, chunked\r\n\r\n`],
    ['a chunk size that is none', `${chunkedHead()}xyz\r\n`],
    ['a chunk longer than it says', `${chunkedHead()}2\r\n{}{}\r\n`],
    ['a head without end', `HTTP/1.1 200 OK\r\n${`x: ${'y'.repeat(1000)}\r\n`.repeat(70)}`],
    ['another protocol from now on', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    ['a result that is no JSON', answerOf('{"a":', { type: 'application/json; charset=utf-8' })],
  ])('%s', async (_, text) => {
    const { said } = await ask(says(text));
    expect(said).toMatchObject({ failureCode: 'bad-answer', retryable: false });
  });

  test.each<[string, string, string]>([
    [
      '200 of something else',
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}',
      'unknown',
    ],
    ['another version', answerOf({}).replace('protocol: 1', 'protocol: 2'), 'unknown'],
    [
      'a proxy whose gateway is gone',
      'HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 11\r\n\r\n<h1>502</h1',
      'unknown',
    ],
    [
      'a gateway that refuses this version',
      problemOf(400, { code: 'protocol-mismatch', detail: 'This gateway speaks 2.' }).replace(
        'protocol: 1',
        'protocol: 2',
      ),
      'no',
    ],
  ])('from something incompatible, however good they look: %s', async (_, text, executed) => {
    const { said } = await ask(says(text));
    expect(said).toMatchObject({
      failureCode: 'incompatible-gateway',
      executed,
      detail: expect.stringContaining('fpm-gateway-protocol'),
    });
  });

  test.each<[string, string]>([
    ['by its length', answerOf({ a: 'x'.repeat(2000) })],
    ['by its chunks', chunkedHead() + chunk('x'.repeat(900)) + chunk('x'.repeat(900))],
  ])('larger than maxResponseBytes, told %s', async (_, text) => {
    const { said } = await ask(says(text), { options: 'maxResponseBytes: 1000' });
    expect(said).toMatchObject({
      failureCode: 'response-too-large',
      executed: 'yes',
      detail: expect.stringContaining('1000'),
    });
  });
});

describe('time', () => {
  test('a gateway that never answers is waited for as long as the call may take', async () => {
    const { said, gateway } = await ask(() => {}, { options: 'timeoutMs: 50' });
    expect(said).toMatchObject({ failureCode: 'client-timeout', executed: 'unknown', retryable: false, status: 0 });
    expect(gateway.requests[0]?.head).toMatch(/^x-request-timeout-ms: ([1-9]|[1-4]\d|50)$/im);
  });

  test('a request that cannot be written in time has not run', async () => {
    const body = `return told(fn () => $client->invoke('f', str_repeat('x', 20_000_000), timeoutMs: 100));`;
    const { said } = await ask(() => {}, { body, onConnection: (socket) => void socket.pause() });
    expect(said).toMatchObject({ failureCode: 'client-timeout', executed: 'no' });
  });

  test('a call that waits in the client for its place ends in time, too, and is not sent', async () => {
    const body = `$first = $client->send('f'); $second = $client->send('g', timeoutMs: 30);
      return [told(fn () => $second->wait()), told(fn () => $first->wait())['failureCode']];`;
    const { said, gateway } = await ask(() => {}, { body, options: 'concurrency: 1, timeoutMs: 300' });
    expect(said).toMatchObject([{ failureCode: 'client-timeout', executed: 'no' }, 'client-timeout']);
    expect(gateway.requests).toHaveLength(1);
  });

  test('a call that waits for its place gets it, too, when a callback cancels the calls that had it', async () => {
    const body = `$client->send('f')->onResult(function () use (&$held) { $held->cancel(); });
      $held = $client->send('held'); $queued = $client->send('f'); return $queued->wait();`;
    const answer = (request: ScriptedRequest): void =>
      request.head.includes('/held') ? undefined : says(answerOf(1))(request);
    // Longer than a test may take.
    expect((await ask(answer, { body, options: 'concurrency: 1, timeoutMs: 600_000' })).said).toBe(1);
  });

  test('without a limit of its own the client leaves it to the gateway', async () => {
    const { said, gateway } = await ask(says(answerOf(1)), { options: 'timeoutMs: 0' });
    expect(said).toBe(1);
    expect(gateway.requests[0]?.head).not.toMatch(/timeout-ms/i);
  });

  test.each(['unix:/no/such/gateway.sock', 'http://127.0.0.1:1', 'http://no-such-host.invalid:80'])(
    'where nobody listens, the call has not run: %s',
    async (address) => {
      const said = await php(address, `return [${ASK}, told(fn () => $client->fire('f'))];`);
      const failed = {
        failureCode: 'network-failed',
        executed: 'no',
        retryable: true,
        detail: expect.stringContaining('Cannot connect'),
      };
      expect(said).toMatchObject([failed, failed]);
    },
  );

  test.each(['tcp://127.0.0.1:0', 'unix://%s/full.sock'])(
    'a gateway that takes no connection is waited for as long as that may take: %s',
    async (target) => {
      const local = target.replace('%s', temporaryFolder());
      // Nobody accepts, and what the system keeps waiting is full.
      const body = `$server = stream_socket_server('${local}', $n, $t, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, stream_context_create(['socket' => ['backlog' => 0]]));
        $name = stream_socket_get_name($server, false); $at = $name[0] === '/' ? "unix://$name" : "tcp://$name";
        for ($i = 0; $i < 5; $i++) { $filling[] = @stream_socket_client($at, $n, $t, 0.05, STREAM_CLIENT_CONNECT | STREAM_CLIENT_ASYNC_CONNECT); }
        $client = Client::connect($name[0] === '/' ? "unix:$name" : "http://$name", connectTimeoutMs: 60);
        return told(fn () => $client->invoke('f'));`;
      expect(await php('', body)).toMatchObject({
        failureCode: 'network-failed',
        executed: 'no',
        detail: expect.stringContaining('connectTimeoutMs, 60 ms'),
      });
    },
  );

  test('a signal does not disturb a call', async () => {
    const pid = Promise.withResolvers<number>();
    const body = `$signals = 0; pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () use (&$signals) { $signals++; });
      return [$client->invoke('f'), $signals];`;
    const answer = ({ socket }: ScriptedRequest): void => {
      void pid.promise.then((number) => {
        process.kill(number, 'SIGUSR1');
        setImmediate(() => socket.write(answerOf('here')));
      });
    };
    expect((await ask(answer, { body, onPid: pid.resolve })).said).toEqual(['here', 1]);
  });
});

describe('kept connections', () => {
  test('are used again, by calls that follow and by many at once', async () => {
    const body = `for ($i = 0; $i < 5; $i++) { $client->invoke('f', $i); }
      for ($i = 0; $i < 5; $i++) { $calls[] = $client->send('f', $i); } $client->waitAll($calls);
      for ($i = 0; $i < 5; $i++) { $more[] = $client->send('f', $i); } return $client->waitAll($more);`;
    const { said, gateway } = await ask(({ socket, body: input }) => void socket.write(answerOf(JSON.parse(input))), {
      body,
      options: 'concurrency: 5',
    });
    expect(said).toEqual([0, 1, 2, 3, 4]);
    expect([gateway.requests.length, gateway.connections()]).toEqual([15, 5]);
  });

  test.each(['connection: close\r\n', 'Connection: Keep-Alive, Close\r\n'])(
    'are not where the gateway says %s',
    async (headers) => {
      const { gateway } = await ask(says(answerOf(1, { headers })), { body: `return [${ASK}, ${ASK}];` });
      expect(gateway.connections()).toBe(2);
    },
  );

  test('are not used for longer than half of what the gateway says it keeps them', async () => {
    const { gateway } = await ask(says(answerOf(1, { headers: 'keep-alive: timeout=0\r\n' })), {
      body: `return [${ASK}, ${ASK}];`,
    });
    expect(gateway.connections()).toBe(2);
  });

  test('are not used behind an answer with something more', async () => {
    const { said, gateway } = await ask(says(`${answerOf(1)}HTTP/1.1 200 OK`), { body: `return [${ASK}, ${ASK}];` });
    expect([said, gateway.connections()]).toEqual([[1, 1], 2]);
  });

  test('closed by the gateway before the next call are replaced, for every call', async () => {
    const closed = join(temporaryFolder(), 'closed');
    const closing = ({ socket, number }: ScriptedRequest): void => {
      socket.write(answerOf(number));
      if (number === 1) socket.end(() => writeFileSync(closed, ''));
    };
    const { said, gateway } = await ask(closing, {
      body: `$first = ${ASK}; waitFor('${closed}'); return [$first, ${ASK}];`,
    });
    expect(said).toEqual([1, 2]);
    expect(gateway.connections()).toBe(2);
  });

  test.each<[string, string, number]>([
    ['is tried once more where running twice does no harm', 'true', 3],
    ['fails where it may have run', 'false', 2],
  ])('that die with a call on them: it %s', async (_, idempotent, requests) => {
    const body = `$first = $client->invoke('f'); return told(fn () => $client->invoke('f', idempotent: ${idempotent}));`;
    const { said, gateway } = await ask(inTurn(says(answerOf(1)), close, says(answerOf(3))), { body });
    expect(said).toEqual(
      requests === 3 ? 3 : expect.objectContaining({ failureCode: 'network-failed', executed: 'unknown' }),
    );
    expect(gateway.requests).toHaveLength(requests);
  });

  test('that die with a call on them: what its second sending says is no proof for the first', async () => {
    const body = `$client->invoke('f'); return told(fn () => $client->invoke('f', idempotent: true, attempts: 3));`;
    const refused = says(problemOf(503, { code: 'overloaded', executed: 'no', retryable: true }));
    const { said, gateway } = await ask(inTurn(says(answerOf(1)), close, refused), { body });
    expect(said).toMatchObject({ failureCode: 'overloaded', status: 503, executed: 'unknown', retryable: false });
    expect(gateway.requests).toHaveLength(3);
  });

  test('that die twice are not tried for ever, and a fresh one that dies not at all', async () => {
    const body = `$client->invoke('f'); return [told(fn () => $client->invoke('f', idempotent: true)), told(fn () => $client->invoke('f', idempotent: true))];`;
    const { said, gateway } = await ask(inTurn(says(answerOf(1)), close), { body });
    expect(said).toMatchObject([{ failureCode: 'network-failed' }, { failureCode: 'network-failed' }]);
    expect(gateway.requests).toHaveLength(4);
  });

  test('belong to the process that opened them: a child has its own, and none of its parent’s calls', async () => {
    const body = `$client->invoke('f'); $held = $client->send('held'); $queued = $client->send('f'); $pid = pcntl_fork();
      if ($pid === 0) {
        $told = array_map(fn ($call) => told(fn () => $call->wait())['failureCode'], [$held, $queued]);
        $client->invoke(implode('.', $told)); posix_kill(getmypid(), SIGKILL);
      }
      pcntl_waitpid($pid, $status); return [$queued->isDone(), $held->wait(), $queued->wait()];`;
    let answerHeld = (): void => {};
    const answer = ({ socket, head }: ScriptedRequest): void => {
      const say = (): void => void socket.write(answerOf(1));
      if (head.includes('/held')) answerHeld = say;
      else say();
      if (head.includes('cancelled.cancelled')) answerHeld();
    };
    const { said, gateway } = await ask(answer, { body, options: 'concurrency: 1' });
    expect(said).toEqual([expect.any(Boolean), 1, 1]);
    expect(gateway.requests.map(({ connection }) => connection)).toEqual([1, 1, 2, 1]);
  });
});

describe('attempts', () => {
  const refused = says(problemOf(503, { code: 'overloaded', executed: 'no', retryable: true }));

  test('are one, unless the caller asks for more', async () => {
    const { said, gateway } = await ask(refused);
    expect([said, gateway.requests.length]).toEqual([expect.objectContaining({ failureCode: 'overloaded' }), 1]);
  });

  test('end with the first that is not refused, or with the last, all of one request id', async () => {
    const body = `return [told(fn () => $client->invoke('f', attempts: 3)), told(fn () => $client->invoke('f', attempts: 2))['failureCode']];`;
    const { said, gateway } = await ask(inTurn(refused, refused, says(answerOf('third')), refused), { body });
    expect(said).toEqual(['third', 'overloaded']);
    const ids = gateway.requests.map(({ head }) => /^x-request-id: (\S+)$/im.exec(head)?.[1]);
    expect([ids.length, new Set(ids.slice(0, 3)).size, new Set(ids).size]).toEqual([5, 1, 2]);
  });

  test.each<[string, (request: ScriptedRequest) => void]>([
    ['may have run', says(problemOf(502, { code: 'worker-crashed', executed: 'unknown', retryable: true }))],
    ['did run', says(problemOf(500, { code: 'function-error', executed: 'yes' }))],
    ['will fail again', says(problemOf(422, { code: 'validation-failed', executed: 'no', retryable: false }))],
    ['broke on a fresh connection', close],
  ])('are not made of a call that %s', async (_, answer) => {
    const { gateway } = await ask(answer, { options: 'attempts: 5' });
    expect(gateway.requests).toHaveLength(1);
  });

  test('are not made past the deadline: Retry-After counts', async () => {
    const later = says(problemOf(503, { code: 'overloaded', executed: 'no', retryable: true }, 'retry-after: 9\r\n'));
    const { said, gateway } = await ask(later, { options: 'attempts: 5, timeoutMs: 8000' });
    expect([said, gateway.requests.length]).toEqual([expect.objectContaining({ failureCode: 'overloaded' }), 1]);
  });

  test('are not made where the gateway asks for more than 30 s', async () => {
    const later = says(problemOf(503, { code: 'overloaded', executed: 'no', retryable: true }, 'retry-after: 31\r\n'));
    const { said, gateway } = await ask(later, { options: 'attempts: 5, timeoutMs: 0' });
    expect([said, gateway.requests.length]).toEqual([expect.objectContaining({ failureCode: 'overloaded' }), 1]);
  });

  test('wait for a gateway that is just starting', async () => {
    const path = join(temporaryFolder(), 'late.sock');
    const server = createServer((socket) => socket.once('data', () => socket.write(answerOf('up'))));
    const asked = php(`unix:${path}`, `touch('${path}.tried'); return $client->invoke('f', attempts: 100);`);
    await until('PHP tries', () => existsSync(`${path}.tried`));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    expect(await asked).toBe('up');
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('large requests', () => {
  test('whose answer comes before they are written get that answer', async () => {
    const problem = problemOf(413, { code: 'body-too-large', executed: 'no' }, 'connection: close\r\n');
    const onConnection = (socket: Socket): void => {
      socket.once('data', () => {
        socket.pause();
        socket.write(problem);
      });
    };
    const body = `return told(fn () => $client->invoke('f', str_repeat('x', 20_000_000)));`;
    const { said } = await ask(() => {}, { body, onConnection });
    expect(said).toMatchObject({ failureCode: 'body-too-large', status: 413, executed: 'no' });
  });

  test('whose connection breaks while they are written have not run', async () => {
    const onConnection = (socket: Socket): void => void socket.once('data', () => socket.destroy());
    const body = `return told(fn () => $client->invoke('f', str_repeat('x', 20_000_000)));`;
    const { said } = await ask(() => {}, { body, onConnection });
    expect(said).toMatchObject({ failureCode: 'network-failed', executed: 'no', retryable: true });
  });

  test('are written while others are answered', async () => {
    const body = `$large = $client->send('f', str_repeat('x', 5_000_000)); $small = $client->send('f', 1);
      return [$small->wait(), $large->wait()];`;
    const { said } = await ask(({ socket, body: input }) => void socket.write(answerOf(input.length)), { body });
    expect(said).toEqual([1, 5_000_002]);
  });
});

describe('streams', () => {
  const event = (data: unknown, name = ''): string =>
    `${name === '' ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;
  const READ = `$got = []; $failed = told(function () use ($client, &$got) { foreach ($client->stream('f') as $item) { $got[] = $item; } });
    return [$got, $failed['failureCode'] ?? null, $failed['executed'] ?? null];`;
  const head = chunkedHead('text/event-stream');

  test.each<[string, string, unknown]>([
    [
      'whole, with comments and in odd pieces',
      chunk(': hi\n\nda') + chunk(`ta: {"n":1}\n\n${event(2)}`) + chunk(event({}, 'end')) + chunk(''),
      [[{ n: 1 }, 2], null, null],
    ],
    ['without an end of its own', chunk(event(1)) + chunk(''), [[1], 'network-failed', 'yes']],
    ['that breaks', chunk(event(1)), [[1], 'network-failed', 'yes']],
    [
      'with an error at its end',
      chunk(event(1) + event({ code: 'gone', executed: 'yes' }, 'error')) + chunk(''),
      [[1], 'gone', 'yes'],
    ],
    ['with an item that is no JSON', chunk(`${event(1)}data: {\n\n`), [[1], 'bad-answer', 'yes']],
    [
      'with an item that is too large',
      chunk(`${event(1)}data: "${'x'.repeat(2000)}`),
      [[1], 'response-too-large', 'yes'],
    ],
  ])('%s', async (_, text, expected) => {
    const { said } = await ask(says(head + text, { end: true }), { body: READ, options: 'maxResponseBytes: 1000' });
    expect(said).toEqual(expected);
  });

  test('are read no faster than their reader takes them', async () => {
    const piece = chunk(event('x'.repeat(10_000)));
    let written = 0;
    let stopped = false;
    const answer = ({ socket }: ScriptedRequest): void => {
      socket.write(head);
      const more = (): void => {
        while (written < 10_000) {
          written += 1;
          if (!socket.write(piece)) {
            socket.once('drain', more);
            return;
          }
        }
      };
      more();
      socket.on('close', () => (stopped = true));
    };
    const body = `foreach ($client->stream('f') as $item) { for ($i = 0; $i < 100; $i++) { $client->ready([], 1); } return strlen($item); }`;
    expect((await ask(answer, { body })).said).toBe(10_000);
    await until('the reader has left', () => stopped);
    expect(written).toBeLessThan(1000);
  });
});

test('descriptors that PHP cannot wait for are told with the cure', async () => {
  const body = `for ($i = 0; $i < 1100; $i++) { $files[] = fopen('/dev/null', 'r'); } return ${ASK};`;
  const { said } = await ask(says(answerOf(1)), { body });
  expect(said).toMatchObject({ failureCode: 'network-failed', detail: expect.stringContaining('1,024') });
});

test('every request says what the gateway must know', async () => {
  const options =
    "headers: ['Authorization' => 'Bearer x'], traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', timeoutMs: 7000";
  const { gateway } = await ask(says(answerOf(1)), {
    options,
    tcp: true,
    body: `$client->invoke('a/b c.php', ['x' => '/é']); return $client->fire('f');`,
  });
  const [call, fired] = gateway.requests;
  expect(
    call?.head
      .split('\r\n')
      .map((line) => line.replace(/(?<=: )[0-9a-f]{8}-[0-9a-f-]{27}$|\b(?:6\d{3}|7000)$|127\.0\.0\.1:\d+/, '*')),
  ).toEqual([
    'POST /functions/a/b%20c.php HTTP/1.1',
    'Host: *',
    'Content-Type: application/json',
    'Content-Length: 11',
    'fpm-gateway-protocol: 1',
    'X-Request-Id: *',
    'X-Request-Timeout-Ms: *',
    'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    'Accept: application/json, */*;q=0.5',
    'Authorization: Bearer x',
  ]);
  expect(fired?.head).toMatch(/^on-disconnect: finish$/m);
  expect(fired?.head).not.toMatch(/timeout-ms/i);
});
