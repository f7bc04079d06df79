/** close() and destroy(), at every moment and more than once; and that nothing is left behind. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { type Connection, collect } from '../../gateway/fastcgi/index.ts';
import {
  answer,
  answerPing,
  close as closePeer,
  fakeFastCgi,
  readPing,
  readRequest,
  serve,
  stall,
  swallow,
  waitFor,
} from '../support/fake-fastcgi.ts';
import { until } from '../support/until.ts';
import { bodyText, call, connect, LIMITS, outcomeOf, request } from './fastcgi-client.ts';

/** Requests are written when the turn of the event loop ends. */
const written = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const over = { usable: false, busy: false };

const expectRefused = (connection: Connection): void =>
  expect(() => collect(connection, request(), LIMITS)).toThrow(
    expect.objectContaining({ code: 'pool-unavailable', executed: 'no' }),
  );

describe('close()', () => {
  test('while idle ends at once, and the peer sees it', async () => {
    const server = await fakeFastCgi('unix', [serve('one'), swallow]);
    const connection = await connect(server.address);
    await call(connection);
    await connection.close();
    expect(connection).toMatchObject(over);
    await server.peer.closed;
  });

  test('while busy lets the answer come, refuses new requests, and then ends', async () => {
    const go = Promise.withResolvers<void>();
    const server = await fakeFastCgi('unix', [
      readPing,
      answerPing,
      waitFor(go.promise),
      readRequest,
      answer('late'),
      stall,
    ]);
    const connection = await connect(server.address);
    const collected = collect(connection, request(), LIMITS);
    const closed = connection.close();
    expect(connection).toMatchObject({ usable: false, busy: true });
    expectRefused(connection);
    expect(await connection.ping()).toBeUndefined();
    go.resolve();
    expect(bodyText(await outcomeOf(collected))).toBe('late');
    await closed;
    expect(connection).toMatchObject(over);
  });

  test('while several answers are due waits for all of them', async () => {
    const go = Promise.withResolvers<void>();
    const server = await fakeFastCgi('unix', [waitFor(go.promise), serve('one'), serve('two'), swallow]);
    const connection = await connect(server.address);
    const both = [collect(connection, request(), LIMITS), collect(connection, request(), LIMITS)];
    const closed = connection.close();
    go.resolve();
    expect((await Promise.all(both.map(outcomeOf))).map(bodyText)).toEqual(['one', 'two']);
    await closed;
  });

  test('while a ping is due waits for its answer', async () => {
    const go = Promise.withResolvers<void>();
    const server = await fakeFastCgi('unix', [readPing, waitFor(go.promise), answerPing, swallow]);
    const connection = await connect(server.address);
    const values = connection.ping();
    const closed = connection.close();
    expect(connection.busy).toBe(true);
    go.resolve();
    expect(await values).toEqual([['FCGI_MPXS_CONNS', '0']]);
    await closed;
  });

  test('twice, and after destroy(), resolves each time', async () => {
    const server = await fakeFastCgi('unix', [stall]);
    const connection = await connect(server.address);
    await Promise.all([connection.close(), connection.close()]);
    connection.destroy();
    await connection.close();
    expect(connection).toMatchObject(over);
  });

  test('resolves when the worker dies instead of answering', async () => {
    const server = await fakeFastCgi('unix', [readRequest, answerPing, closePeer]);
    const connection = await connect(server.address);
    const collected = collect(connection, request(), LIMITS);
    const closed = connection.close();
    expect(await outcomeOf(collected)).toMatchObject({ code: 'worker-crashed', executed: 'yes' });
    await closed;
  });

  test('then send is refused: nothing ran', async () => {
    const server = await fakeFastCgi('unix', [stall]);
    const connection = await connect(server.address);
    await connection.close();
    expectRefused(connection);
    expect(await connection.ping()).toBeUndefined();
  });
});

describe('destroy()', () => {
  test('while a request is on its way: unknown, whatever the ping says', async () => {
    const server = await fakeFastCgi('unix', [stall]);
    const connection = await connect(server.address);
    const collected = collect(connection, request(), LIMITS);
    await written();
    connection.destroy();
    expect(await outcomeOf(collected)).toMatchObject({
      code: 'worker-crashed',
      executed: 'unknown',
      detail: expect.stringContaining('was destroyed'),
      progress: { ping: 'unanswered', readToEnd: false, ended: false },
    });
    expect(connection).toMatchObject(over);
  });

  test('before it was written: it was not executed', async () => {
    const server = await fakeFastCgi('unix', [stall]);
    const connection = await connect(server.address);
    const collected = collect(connection, request(), LIMITS);
    connection.destroy();
    expect(await outcomeOf(collected)).toMatchObject({ executed: 'no', progress: { sent: 'nothing' } });
  });

  test('while the peer ends at the same time: still unknown', async () => {
    const server = await fakeFastCgi('unix', [serve('one'), stall]);
    const connection = await connect(server.address);
    await call(connection);
    const collected = collect(connection, request(), LIMITS);
    await written();
    server.peer.socket.destroy();
    connection.destroy();
    expect(await outcomeOf(collected)).toMatchObject({ executed: 'unknown', progress: { readToEnd: false } });
  });

  test('after the ping was answered: it was executed', async () => {
    const server = await fakeFastCgi('unix', [readPing, answerPing, stall]);
    const connection = await connect(server.address);
    const sink = { stdout: () => {}, stderr: () => {} };
    const { progress, done } = connection.send(request(), sink);
    const settled = done.catch((error: unknown) => error);
    await until('the ping is answered', () => progress.ping === 'answered');
    connection.destroy();
    expect(await settled).toMatchObject({ code: 'worker-crashed', executed: 'yes' });
  });

  test('fails all that is due, and answers pings with undefined', async () => {
    const server = await fakeFastCgi('unix', [stall]);
    const connection = await connect(server.address);
    const both = [collect(connection, request(), LIMITS), collect(connection, request(), LIMITS)];
    const values = connection.ping();
    connection.destroy();
    connection.destroy();
    await connection.closed;
    for (const outcome of await Promise.all(both.map(outcomeOf))) expect(outcome.executed).toBe('unknown');
    expect(await values).toBeUndefined();
  });

  test('from within a sink: the request fails and nothing hangs', async () => {
    const server = await fakeFastCgi('unix', [readPing, answerPing, readRequest, answer('x'), stall]);
    const connection = await connect(server.address);
    const { done } = connection.send(request(), { stdout: () => connection.destroy(), stderr: () => {} });
    await done.catch(() => {});
    await connection.closed;
    expect(connection).toMatchObject(over);
  });
});

describe('keepConnection: false', () => {
  test('ends the connection after the answer, although the peer would wait for us', async () => {
    const server = await fakeFastCgi('unix', [serve('only'), swallow]);
    const connection = await connect(server.address);
    expect(bodyText(await call(connection, { keepConnection: false }))).toBe('only');
    await connection.closed;
    expect(server.peer.requests[0]?.keepConnection).toBe(false);
  });

  test('refuses a second request behind it: the peer would never read it', async () => {
    const server = await fakeFastCgi('unix', [serve('only'), swallow]);
    const connection = await connect(server.address);
    const collected = collect(connection, request({ keepConnection: false }), LIMITS);
    expectRefused(connection);
    expect(bodyText(await outcomeOf(collected))).toBe('only');
  });
});

test('a process ends by itself once its connections have: no timer, listener or socket is left', async () => {
  const server = await fakeFastCgi('unix', [serve('one'), closePeer], [serve('two'), swallow]);
  const source = new URL('../../gateway/fastcgi/index.ts', import.meta.url).href;
  const script = `
    import { Connection, collect } from ${JSON.stringify(source)};
    const address = ${JSON.stringify(server.address)};
    const limits = ${JSON.stringify(LIMITS)};
    const request = { params: [], body: Buffer.from('x'), ping: true, keepConnection: true };
    // A long timeout: its timer would hold the process.
    const options = { timeoutMs: 3_600_000 };
    await Connection.open({ kind: 'unix', path: '/nonexistent/peer.sock' }, options).catch(() => {});
    const first = await Connection.open(address, options);
    await collect(first, request, limits).response;
    const second = await Connection.open(address, options);
    await collect(second, request, limits).response;
    await second.close();
    await first.closed;
    process.on('exit', () => console.log(process.getActiveResourcesInfo().filter((name) => !/^(?:Pipe|TTY|File)/.test(name)).join() || 'nothing left'));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 20_000,
  });
  expect(stdout).toBe('nothing left\n');
});

test('a connection that lives long holds nothing of what it has answered', async () => {
  const rounds = 50;
  const server = await fakeFastCgi('unix', [
    ...Array.from({ length: rounds }, () => [serve('x'), readPing, answerPing]).flat(),
    swallow,
  ]);
  const connection = await connect(server.address);
  const answered: WeakRef<object>[] = [];
  for (let i = 0; i < rounds; i += 1) {
    answered.push(new WeakRef(await call(connection)));
    const values = await connection.ping();
    if (values === undefined) throw new Error('the ping was not answered');
    answered.push(new WeakRef(values));
  }
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  await until('all answers are collected', () => {
    collectGarbage();
    // The last may still be in a register of this very function.
    return answered.slice(0, -2).every((reference) => reference.deref() === undefined);
  });
  expect(connection).toMatchObject({ usable: true, busy: false });
});
