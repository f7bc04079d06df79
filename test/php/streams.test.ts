/** Handlers that stream: what counts as a stream, what becomes of its items, and of what is said besides. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { streamHandler } from '../support/streams.ts';
import { Held } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const BYTES = { item: "binary('text/csv')" };
eachEngine(({ startGateway }) => {
  const file = wholeFile();
  const folder = openFolder(file);

  const good: Record<string, readonly [body: string, items: unknown[], options?: { item: string }]> = {
    generator: ['yield 1; yield [2]; yield null;', [1, [2], null]],
    'generator-with-keys': ["yield 'a' => 1; yield 'a' => 2;", [1, 2]],
    'generator-that-delegates': ['yield 1; yield from [2, 3]; yield 4;', [1, 2, 3, 4]],
    'generator-that-returns': ["yield 1; return 'ignored';", [1]],
    'returned-generator': ['return (function () { yield 1; yield 2; })();', [1, 2]],
    array: ['return [1, 2];', [1, 2]],
    'empty-array': ['return [];', []],
    iterator: ['return new \\ArrayIterator([1, 2]);', [1, 2]],
    aggregate: ['return new \\ArrayObject([1, 2]);', [1, 2]],
    'many-items': ['for ($n = 0; $n < 20000; ++$n) { yield $n; }', Array.from({ length: 20_000 }, (_, n) => n)],
    'empty-items': ["yield ''; yield []; yield (object) [];", ['', [], {}]],
    'large-item': ["yield str_repeat('x', 300_000); yield 'y';", ['x'.repeat(300_000), 'y']],
    'defaults-applied': [
      'yield [];',
      [{ n: 7 }],
      { item: 'z.object({ n: z.int().default(7) }).or(z.array(z.any()).max(0).transform(() => ({ n: 7 })))' },
    ],
    'own-buffers': ['ob_start(); yield 1; ob_start(); yield 2; ob_end_clean(); yield 3;', [1, 2, 3]],
    headers: [
      "header('Location: /x'); header('Content-Type: text/html'); http_response_code(404); yield 1; header('A: b');",
      [1],
    ],
  };

  const goodBytes: Record<string, readonly [body: string, bytes: string]> = {
    pieces: ["yield 'a'; yield ''; yield \"b\\0c\\xff\";", 'a,b\0c\xff'],
    'returned-array': ["return ['a', 'b'];", 'a,b'],
    'one-large-piece': ["yield str_repeat('x', 3_000_000);", 'x'.repeat(3_000_000)],
  };

  const NO_STREAM = 'streams-nothing';
  const bad: Record<
    string,
    readonly [body: string, code: string, reason: string | undefined, said: RegExp, options?: { item: string }]
  > = {
    value: [
      'return 5;',
      'invalid-function-output',
      'kind',
      /returned one value; its contract says stream\(\): yield, or return something iterable/,
    ],
    null: ['return null;', 'invalid-function-output', 'kind', /yield/],
    'binary-object': [
      "return new Binary('x', 'text/csv');",
      'invalid-function-output',
      'kind',
      /returned a Binary; its contract says stream\(\)/,
    ],
    'number-in-bytes': ["yield 'a'; yield 5;", 'function-error', 'exception', /threw an exception/, BYTES],
    'binary-in-items': [
      "yield new Binary('x', 'text/csv');",
      'invalid-function-output',
      undefined,
      /output of binary-in-items/,
      { item: 'z.string()' },
    ],
  };

  let gateway: Gateway;

  beforeAll(async () => {
    const handlers = [
      ...Object.entries(good).map(([name, [body, , options]]) => streamHandler(name, body, options)),
      ...Object.entries(goodBytes).map(([name, [body]]) => streamHandler(name, body, BYTES)),
      ...Object.entries(bad).map(([name, [body, , , , options]]) => streamHandler(name, body, options)),
      streamHandler(
        'wrong-then-on',
        `file_put_contents($input, getmypid() . "\\n", FILE_APPEND); yield 1; yield 'SECRET'; while (true) { yield 2; usleep(500); }`,
        { item: 'z.int()' },
      ),
      streamHandler('logs', "$call->log('first', ['n' => 1]); yield 1; $call->log('last', [], 'warn');"),
      streamHandler(
        'endless',
        `file_put_contents($input, getmypid() . "\\n", FILE_APPEND); while (true) { yield 'item'; usleep(500); }`,
      ),
    ];
    const files = Object.assign({}, ...handlers);
    const project = functionsProject({ [NO_STREAM]: "yield 'SECRET';", pid: 'return getmypid();', ...files }, file);
    gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project }, file);
  });

  const itemsOf = async (name: string, input: unknown = null): Promise<unknown[]> => {
    const items: unknown[] = [];
    for await (const item of (await gateway.invoke(name, input)) as AsyncIterable<unknown>) items.push(item);
    return items;
  };

  const lastTrace = () => gateway.tracer.ring.list(1)[0];

  describe('a stream of items', () => {
    test.each(Object.entries(good).map(([name, [, items]]) => [name, items] as const))('%s', async (name, items) => {
      expect(await itemsOf(name)).toEqual(items);
      expect(lastTrace()).toMatchObject({ function: name, error: undefined });
    });
  });

  describe('a stream of bytes', () => {
    test.each(Object.entries(goodBytes).map(([name, [, bytes]]) => [name, bytes] as const))(
      '%s',
      async (name, bytes) => {
        const pieces = (await itemsOf(name)) as Buffer[];
        expect(pieces.every((piece) => piece instanceof Uint8Array && piece.length > 0)).toBe(true);
        expect(Buffer.concat(pieces).toString('latin1')).toBe(bytes.replaceAll(',', ''));
      },
    );
  });

  describe('no stream', () => {
    test.each(Object.entries(bad).map(([name, [, code, reason, said]]) => [name, code, reason, said] as const))(
      '%s',
      async (name, code, reason, said) => {
        const outcome = itemsOf(name);
        await expect(outcome).rejects.toMatchObject({
          code,
          executed: 'yes',
          message: expect.stringMatching(said),
          ...(reason === undefined ? {} : { reason }),
        });
      },
    );

    test('a generator where the contract promises one value: the error tells what to write', async () => {
      await expect(gateway.invoke(NO_STREAM, null)).rejects.toMatchObject({
        code: 'invalid-function-output',
        message: expect.stringContaining('say output: stream(…) in the contract, or return an array'),
      });
    });
  });

  test('an item against its schema ends the stream and stops PHP', async () => {
    const held = new Held(folder, 'wrong');
    const items: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const item of (await gateway.invoke('wrong-then-on', held.file)) as AsyncIterable<unknown>)
        items.push(item);
    };
    await expect(read()).rejects.toMatchObject({ code: 'invalid-function-output', issues: [expect.anything()] });
    expect(items).toEqual([1]);
    const [pid = 0] = held.pids;
    await until('PHP has stopped', () => !isAlive(pid));
    expect(await gateway.invoke('pid', null)).not.toBe(pid);
  });

  test('what a streaming handler logs is in its trace when the stream has ended', async () => {
    const stream = (await gateway.invoke('logs', null)) as AsyncIterable<unknown>;
    for await (const _ of stream);
    const events = lastTrace()?.spans.flatMap((span) => span.events) ?? [];
    expect(lastTrace()?.function).toBe('logs');
    expect(events.filter(({ name }) => name === 'log').map(({ attributes }) => attributes)).toMatchObject([
      expect.objectContaining({ 'log.message': 'first' }),
      expect.objectContaining({ 'log.message': 'last' }),
    ]);
  });

  test('leaving the loop stops PHP, and its worker serves the next call', async () => {
    const held = new Held(folder, 'left');
    for await (const item of (await gateway.invoke('endless', held.file)) as AsyncIterable<unknown>) {
      expect(item).toBe('item');
      break;
    }
    const [pid = 0] = held.pids;
    await until('PHP has stopped', () => !isAlive(pid));
    expect(await gateway.invoke('pid', null)).not.toBe(pid);
    expect(gateway.tracer.ring.list(10).find(({ function: name }) => name === 'endless')?.error).toBe('client-closed');
  });

  test('aborting before the first item stops PHP, and the call is told', async () => {
    const held = new Held(folder, 'aborted');
    const aborted = new AbortController();
    const call = gateway.invoke('endless', held.file, { signal: aborted.signal, timeoutMs: 20_000 });
    aborted.abort();
    await expect(call).rejects.toMatchObject({ code: 'client-closed' });
  });

  test('the worker is free when PHP has ended, though nobody has read yet', async () => {
    const functions = { ...streamHandler('short', 'yield 1; yield 2;'), next: 'return 3;' };
    const config = { pools: { default: { workers: 1 } } };
    const own = await startGateway(config, { project: functionsProject(functions) });
    const unread = (await own.invoke('short', null)) as AsyncIterable<unknown>;
    expect(await own.invoke('next', null)).toBe(3);
    const items: unknown[] = [];
    for await (const item of unread) items.push(item);
    expect(items).toEqual([1, 2]);
  });
});
