/** Many calls in one request: against something scripted, which answers as the test says while items still come. */
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type PhpOptions, php } from '../support/php-client.ts';
import { chunk, chunkedHead, problemOf, type ScriptedOptions, scriptedGateway } from '../support/scripted-gateway.ts';

const NDJSON = chunkedHead('application/x-ndjson');

interface Sent {
  readonly function?: string;
  readonly input: unknown;
  readonly timeoutMs?: number;
}

interface BatchPeer {
  readonly socket: Socket;
  readonly head: string;
  /** Reads on until the next item or the end (undefined). */
  next(): Promise<Sent | undefined>;
  /** Resolves when the client has taken enough for more to be written. */
  say(line: object | string): Promise<void>;
  end(): void;
}

/** Takes a chunked body apart while it comes. */
const peerOf = async (socket: Socket): Promise<BatchPeer> => {
  let raw = Buffer.alloc(0);
  let text = '';
  let ended = false;
  const bytes = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  const more = async (): Promise<boolean> => {
    const { value, done } = await bytes.next();
    if (done !== true) raw = Buffer.concat([raw, value]);
    return done !== true;
  };
  while (raw.indexOf('\r\n\r\n') === -1 && (await more())) {}
  const start = raw.indexOf('\r\n\r\n');
  const head = raw.subarray(0, start).toString('latin1');
  raw = raw.subarray(start + 4);
  const unchunk = (): void => {
    for (let at = raw.indexOf('\r\n'); at !== -1 && !ended; at = raw.indexOf('\r\n')) {
      const size = Number.parseInt(raw.subarray(0, at).toString(), 16);
      if (raw.length < at + 2 + size + 2) return;
      if (size === 0) ended = true;
      text += raw.subarray(at + 2, at + 2 + size).toString();
      raw = raw.subarray(at + 4 + size);
    }
  };
  const next = async (): Promise<Sent | undefined> => {
    for (;;) {
      unchunk();
      const at = text.indexOf('\n');
      if (at !== -1) {
        const line = text.slice(0, at);
        text = text.slice(at + 1);
        return JSON.parse(line) as Sent;
      }
      if (ended || !(await more())) return undefined;
    }
  };
  const say = async (line: object | string): Promise<void> => {
    const full = chunk(typeof line === 'string' ? line : `${JSON.stringify(line)}\n`);
    if (!socket.write(full)) await new Promise((resolve) => socket.once('drain', resolve));
  };
  return { socket, head, next, say, end: () => void socket.write('0\r\n\r\n') };
};

type Behaviour = (peer: BatchPeer) => Promise<void>;

const batch = async (
  behave: Behaviour,
  body: string,
  options: PhpOptions & Pick<ScriptedOptions, 'tcp'> = {},
): Promise<unknown> => {
  const broken: unknown[] = [];
  const onConnection = (socket: Socket): void => {
    peerOf(socket)
      .then(behave)
      .catch((error: unknown) => broken.push(error));
  };
  const gateway = await scriptedGateway(() => {}, { ...options, onConnection });
  const said = await php(gateway.address, body, options);
  if (broken.length > 0) throw broken[0];
  return said;
};

const success = (index: number, output: unknown): object => ({
  id: `${index}`,
  index,
  status: 'succeeded',
  output,
  executed: 'yes',
});

/** Each item as it comes. */
const echo: Behaviour = async (peer) => {
  peer.socket.write(NDJSON);
  let index = 0;
  for (let item = await peer.next(); item !== undefined; item = await peer.next())
    await peer.say(success(index++, item));
  peer.end();
};

const READ = `$got = []; $failed = told(function () use (&$got, &$batch) {
    foreach ($batch as $key => $result) { $got[] = [$key, $result->failure?->failureCode ?? $result->get()]; } });
  return [$got, $failed['failureCode'] ?? null, $failed['executed'] ?? null];`;

test('keys come back with the results, and items are what the wire says', async () => {
  const body = `return iterator_to_array($client->batch(['a' => new Item('f', ['x' => 1]), 'b' => new Item('g', ['y' => 2], timeoutMs: 50), 7 => new Item('h', "two\\nlines")]));`;
  const results = `array_map(fn (Result $r) => $r->get(), (function () use ($client) { ${body} })())`;
  expect(await batch(echo, `return ${results};`)).toEqual({
    a: { function: 'f', input: { x: 1 } },
    b: { function: 'g', input: { y: 2 }, timeoutMs: 50 },
    7: { function: 'h', input: 'two\nlines' },
  });
});

test('of one function the items are inputs', async () => {
  const body = `$batch = $client->batch([[1], ['a' => 2], 3], function: 'f'); ${READ}`;
  const [got] = (await batch(echo, body)) as [[number, object][]];
  expect(got.map(([key, item]) => [key, item])).toEqual([
    [0, { input: [1] }],
    [1, { input: { a: 2 } }],
    [2, { input: 3 }],
  ]);
});

test('options, deadline and path are as the wire wants them', async () => {
  const heads: string[] = [];
  const note: Behaviour = async (peer) => {
    heads.push(peer.head);
    await echo(peer);
  };
  await batch(
    note,
    'return iterator_to_array($client->batch([], ordered: true, stopOnError: true, concurrency: 3, timeoutMs: 900));',
  );
  await batch(note, "return iterator_to_array($client->batch([], function: 'f'));");
  expect(heads[0]).toMatch(/^POST \/batch\?order=input&stopOnError=true&concurrency=3 HTTP/);
  expect(heads[0]).toMatch(/^x-request-timeout-ms: (900|[1-8]\d\d|\d\d?)$/im);
  expect(heads[0]).toMatch(/^content-type: application\/x-ndjson$/im);
  expect(heads[1]).toMatch(/^POST \/functions\/f\/batch\?order=finish HTTP/);
});

test('results come while items are still made', async () => {
  const body = `$order = [];
    $items = (function () use (&$order) { for ($i = 1; $i <= 300; $i++) { $order[] = "item"; yield new Item('f', str_repeat('x', 5000)); } })();
    foreach ($client->batch($items) as $result) { $order[] = 'result'; }
    return [count(array_keys($order, 'item')), count(array_keys($order, 'result')), array_search('result', $order) < 300];`;
  expect(await batch(echo, body)).toEqual([300, 300, true]);
});

test('a slow source of items holds no result up', async () => {
  // It has no end before a result has been seen.
  const body = `$seen = false; $items = (function () use (&$seen) { while (!$seen) { yield 1; } })();
    foreach ($client->batch($items, function: 'f') as $result) { $seen = true; } return $seen;`;
  expect(await batch(echo, body)).toBe(true);
});

test.each([false, true])('both ways full, neither side waits for the other (TCP: %s)', async (tcp) => {
  const big: Behaviour = async (peer) => {
    peer.socket.write(NDJSON);
    let index = 0;
    // Reads nothing while its own writing is held up, as a gateway with back-pressure does.
    for (let item = await peer.next(); item !== undefined; item = await peer.next())
      await peer.say(success(index++, item.input));
    peer.end();
  };
  const body = `$items = (function () { for ($i = 0; $i < 400; $i++) { yield str_repeat(chr(65 + $i % 26), 20_000); } })();
    $bytes = 0; foreach ($client->batch($items, function: 'f') as $key => $result) { $bytes += strlen($result->get()); } return $bytes;`;
  expect(await batch(big, body, { tcp })).toBe(8_000_000);
});

test('failures, cancelled items and bytes are results, each with its key', async () => {
  const some: Behaviour = async (peer) => {
    peer.socket.write(NDJSON);
    for (let item = await peer.next(); item !== undefined; item = await peer.next()) {}
    await peer.say({
      id: '2',
      index: 2,
      status: 'cancelled',
      error: { code: 'batch-stopped', status: 409 },
      executed: 'no',
    });
    await peer.say({
      id: '0',
      index: 0,
      status: 'succeeded',
      output: { mediaType: 'image/png', base64: 'AP8=' },
      encoding: 'base64',
    });
    await peer.say({
      id: '1',
      index: 1,
      status: 'failed',
      error: { code: 'gone', status: 410, detail: 'Gone.', data: [1] },
      executed: 'yes',
      traceId: 'f'.repeat(32),
    });
    peer.end();
  };
  const body = `foreach ($client->batch(['a' => 1, 'b' => 2, 'c' => 3], function: 'f') as $key => $result) {
      $got[$key] = [told(fn () => $result->get() instanceof Binary ? [$result->get()->mediaType, bin2hex($result->get()->bytes)] : 0), $result->traceId]; }
    return $got;`;
  expect(await batch(some, body)).toMatchObject({
    a: [['image/png', '00ff'], '0123456789abcdef0123456789abcdef'],
    b: [{ failureCode: 'gone', status: 410, executed: 'yes', data: [1], detail: 'Gone.' }, 'f'.repeat(32)],
    c: [{ failureCode: 'batch-stopped', executed: 'no' }, '0123456789abcdef0123456789abcdef'],
  });
});

describe('a batch that breaks off', () => {
  const two = `$batch = $client->batch([1, 2], function: 'f'); ${READ}`;
  const behind =
    (...lines: (object | string)[]): Behaviour =>
    async (peer) => {
      peer.socket.write(NDJSON);
      for (let item = await peer.next(); item !== undefined; item = await peer.next()) {}
      for (const line of lines) await peer.say(line);
      peer.end();
    };

  test.each<[string, Behaviour, string]>([
    [
      'told by the gateway',
      behind(success(0, 'one'), {
        id: null,
        index: null,
        status: 'failed',
        error: { code: 'batch-too-large', status: 413 },
      }),
      'batch-too-large',
    ],
    ['with results missing', behind(success(0, 'one')), 'bad-answer'],
    ['with a result of no item', behind(success(0, 'one'), success(5, 'x')), 'bad-answer'],
    ['with a result that came twice', behind(success(0, 'one'), success(0, 'x')), 'bad-answer'],
    ['with a line that is no JSON', behind(success(0, 'one'), '{"index":\n'), 'bad-answer'],
    [
      'by its connection',
      async (peer) => {
        await behind(success(0, 'one'))({ ...peer, end: () => peer.socket.end() });
      },
      'network-failed',
    ],
  ])('%s tells what there was, then that', async (_, behave, failureCode) => {
    const [got, code] = (await batch(behave, two)) as [unknown, string];
    expect([got, code]).toEqual([[[0, 'one']], failureCode]);
  });

  test('by its connection while items are sent: those may have run', async () => {
    const breaking: Behaviour = async (peer) => {
      await peer.next();
      peer.socket.destroy();
    };
    const body = `$items = (function () { for (;;) { yield str_repeat('x', 1000); } })(); $batch = $client->batch($items, function: 'f'); ${READ}`;
    expect(await batch(breaking, body)).toEqual([[], 'network-failed', 'unknown']);
  });

  test('before it began is one failure', async () => {
    const refused: Behaviour = async ({ socket }) =>
      void socket.end(problemOf(415, { code: 'unsupported-media-type', executed: 'no' }));
    expect(await batch(refused, two)).toMatchObject([[], 'unsupported-media-type', 'no']);
  });

  test('while items are still sent, the client sends no more', async () => {
    const early: Behaviour = async (peer) => {
      peer.socket.write(NDJSON);
      await peer.next();
      await peer.say({ id: null, index: null, status: 'failed', error: { code: 'deadline-exceeded', status: 504 } });
      peer.end();
    };
    const body = `$items = (function () { for (;;) { yield str_repeat('x', 1000); } })(); $batch = $client->batch($items, function: 'f'); ${READ}`;
    expect(await batch(early, body)).toMatchObject([[], 'deadline-exceeded', 'unknown']);
  });

  test('by its own source of items is told with that exception', async () => {
    const body = `$items = (function () { yield 1; throw new RuntimeException('no more of them'); })(); $said = 0;
      try { foreach ($client->batch($items, function: 'f') as $result) { $said++; } } catch (RuntimeException $e) { return [$e->getMessage(), get_class($e)]; }`;
    expect(await batch(echo, body)).toEqual(['no more of them', 'RuntimeException']);
  });

  test('by its reader ends the connection', async () => {
    const ended = Promise.withResolvers<boolean>();
    const watch: Behaviour = async (peer) => {
      peer.socket.on('close', () => ended.resolve(true));
      await echo(peer);
    };
    const body = `foreach ($client->batch([1, 2, 3], function: 'f') as $result) { return $result->get(); }`;
    expect(await batch(watch, body)).toEqual({ input: 1 });
    expect(await ended.promise).toBe(true);
  });

  test('is not begun where an item is none', async () => {
    const body = `return [told(fn () => iterator_to_array($client->batch([1]))), told(fn () => iterator_to_array($client->batch([new Item('g')], function: 'f'))),
      told(fn () => iterator_to_array($client->batch([new Item('../x')]))), told(fn () => iterator_to_array($client->batch([NAN], function: 'f'))),
      told(fn () => iterator_to_array($client->batch([[File::of('a', 'b')]], function: 'f')))];`;
    const told = (await batch(echo, body)) as object[];
    expect(told).toEqual(told.map(() => ({ mistake: expect.any(String) })));
  });
});
