/** The socket of a cache: what its bytes mean, and what a peer can do to it. */
import { statSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { COMMAND, FRESH, STATUS } from '../../gateway/cache/protocol.ts';
import { until } from '../support/until.ts';
import { Caller, f64, i64, type Opened, openCache, type Request, requestBytes } from './caller.ts';

const NO_TTL = [f64(0)];
const set = (key: string, value: string | Buffer, number = 1n): Request => ({ number, key, value, args: NO_TTL });
const lease = (leaseMs = 60_000, patienceMs = 60_000): Request => ({ args: [f64(leaseMs), f64(patienceMs)] });

const twoCallers = async (): Promise<[Caller, Caller, Opened]> => {
  const opened = await openCache();
  return [new Caller(opened.path), new Caller(opened.path), opened];
};

const waiting = async ({ cache }: Opened, many: number): Promise<void> =>
  await until('they wait', () => cache.leases.waiting('k') === many);

test('each answer repeats the number of its request', async () => {
  const [caller] = await twoCallers();
  expect(await caller.ask(COMMAND.get, { number: -7n })).toMatchObject({ number: -7n, status: STATUS.no });
  expect(await caller.ask(COMMAND.set, set('k', 's\0\xff', 2n ** 62n))).toMatchObject({ number: 2n ** 62n, status: 0 });
  const found = await caller.ask(COMMAND.get);
  expect([found.status, found.payload.toString('latin1')]).toEqual([STATUS.ok, 's\0\xff']);
});

test('requests in any pieces are answered in their order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 9000 })), {
        minLength: 1,
        maxLength: 12,
      }),
      fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 20 }),
      async (writes, cuts) => {
        const ends: (() => void | Promise<void>)[] = [];
        const { path } = await openCache({}, 100, (end) => void ends.push(end));
        const caller = new Caller(path, (end) => void ends.push(end));
        const requests = writes.flatMap(([key, bytes], at) => [
          requestBytes(COMMAND.set, set(key, 's'.padEnd(bytes, String(at)), BigInt(2 * at))),
          requestBytes(COMMAND.get, { number: BigInt(2 * at + 1), key }),
        ]);
        let rest = Buffer.concat(requests);
        for (let at = 0; rest.length > 0; at += 1) {
          const bytes = cuts[at % cuts.length] ?? 1;
          await new Promise<void>((resolve) => caller.socket.write(rest.subarray(0, bytes), () => resolve()));
          rest = rest.subarray(bytes);
        }
        for (const [at, [, bytes]] of writes.entries()) {
          expect(await caller.next()).toMatchObject({ number: BigInt(2 * at), status: STATUS.ok });
          const { number, payload } = await caller.next();
          expect([number, payload.toString()]).toEqual([BigInt(2 * at + 1), 's'.padEnd(bytes, String(at))]);
        }
        for (const end of ends.reverse()) await end();
      },
    ),
    { numRuns: 30 },
  );
});

describe('what is no request', () => {
  test.each([
    ['a command that there is not', requestBytes(99), 'there is no command 99'],
    ['an empty key', requestBytes(COMMAND.get, { key: '' }), 'a key has 1 to 250 bytes, this one 0'],
    ['a long key', requestBytes(COMMAND.get, { key: 'k'.repeat(251) }), 'this one 251'],
    ['arguments that are missing', requestBytes(COMMAND.increment), 'it ends 16 bytes before its key does'],
    ['a value where none belongs', requestBytes(COMMAND.get, { value: 's' }), 'command 1 takes no value'],
    ['no value', requestBytes(COMMAND.set, { args: NO_TTL }), 'command 2 takes a value'],
    ['an empty one', Buffer.alloc(4), 'a request has at least 10 bytes, this one 0'],
    ['a huge one', Buffer.alloc(20, 0xff), 'no request has 4294967295 bytes'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'no request has 542393671 bytes'],
  ])('%s: it is told, and its connection ends, and no other', async (_, bytes, why) => {
    const [caller, other] = await twoCallers();
    caller.socket.write(Buffer.concat([bytes, requestBytes(COMMAND.set, set('k', 's'))]));
    const answer = await caller.next();
    expect([answer.status, answer.payload.toString()]).toEqual([STATUS.malformed, expect.stringContaining(why)]);
    await caller.closed();
    expect(caller.answers).toEqual([]);
    expect(await other.ask(COMMAND.get)).toMatchObject({ status: STATUS.no });
  });

  test('any bytes at all harm nobody else', async () => {
    const { path } = await openCache();
    const other = new Caller(path);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        const caller = new Caller(path, () => {});
        await new Promise<void>((resolve) => caller.socket.write(bytes, () => resolve()));
        caller.socket.destroy();
        expect((await other.ask(COMMAND.get, { key: 'untouched' })).status).toBe(STATUS.no);
      }),
      { numRuns: 100 },
    );
  });
});

test('too large a value is not kept, nor the connection lost, whether it came in one piece or in many', async () => {
  const { path, cache } = await openCache({ valueMaxBytes: 1000 });
  const caller = new Caller(path);
  for (const bytes of [1001, 5000, 300_000]) {
    const { status, payload } = await caller.ask(COMMAND.set, set('key', Buffer.alloc(bytes)));
    expect([status, payload.readDoubleLE(0), payload.readDoubleLE(8)]).toEqual([STATUS.tooLarge, 1000, bytes]);
  }
  expect(await caller.ask(COMMAND.set, set('key', Buffer.alloc(1000)))).toMatchObject({ status: STATUS.ok });
  expect(cache.store.figures.entries).toBe(1);
});

test('a connection more than there may be is refused, and served when another has gone', async () => {
  const { path, listener } = await openCache({}, 2);
  const [first, second] = [new Caller(path), new Caller(path)];
  await Promise.all([first.ask(COMMAND.get), second.ask(COMMAND.get)]);
  const third = new Caller(path);
  await third.closed();
  first.socket.destroy();
  await until('one has gone', () => listener.connections === 1);
  expect(await new Caller(path).ask(COMMAND.get)).toMatchObject({ status: STATUS.no });
});

test('who does not read is not read either: what waits for it stays small, and all of it comes in the end', async () => {
  const { path, listener } = await openCache();
  const caller = new Caller(path);
  await caller.ask(COMMAND.set, set('k', Buffer.alloc(500_000, 's')));
  caller.socket.pause();
  const many = 300;
  const gets = Array.from({ length: many }, (_, at) => requestBytes(COMMAND.get, { number: BigInt(at) }));
  caller.socket.write(Buffer.concat(gets));
  let before = -1;
  // Nothing moves any more.
  await until('it waits', () => {
    const unread = listener.unreadBytes;
    const isStill = unread > 0 && unread === before;
    before = unread;
    return isStill;
  });
  expect(listener.unreadBytes).toBeLessThan(900_000);
  caller.socket.resume();
  for (let at = 0; at < many; at += 1)
    expect(await caller.next()).toMatchObject({ number: BigInt(at), payload: { length: 500_000 } });
});

describe('leases', () => {
  test('one makes the value, the others wait and get it', async () => {
    const [maker, waiter, opened] = await twoCallers();
    const leased = await maker.ask(COMMAND.lease, lease());
    expect(leased.status).toBe(STATUS.leased);
    waiter.send(COMMAND.lease, { ...lease(), number: 5n });
    waiter.send(COMMAND.get, { number: 6n });
    await waiting(opened, 1);
    expect(await maker.ask(COMMAND.fill, { args: [leased.payload, f64(0)], value: 'made' })).toMatchObject({
      status: 0,
    });
    const got = await waiter.next();
    expect([got.number, got.status, got.payload.toString()]).toEqual([5n, STATUS.ok, 'made']);
    expect(await waiter.next()).toMatchObject({ number: 6n, status: STATUS.ok });
  });

  test.each([
    ['whose maker died', async (maker: Caller) => void maker.socket.destroy()],
    [
      'that could not be made',
      async (maker: Caller, token: Buffer) => void (await maker.ask(COMMAND.release, { args: [token] })),
    ],
    [
      'whose maker serves another request',
      async (maker: Caller) => void (await maker.ask(COMMAND.get | FRESH, { key: 'other' })),
    ],
    ['that was deleted', async (maker: Caller) => void (await maker.ask(COMMAND.delete))],
  ])('a value %s is made by the next one that waits', async (_, end) => {
    const [maker, waiter, opened] = await twoCallers();
    const { payload } = await maker.ask(COMMAND.lease, lease());
    waiter.send(COMMAND.lease, lease());
    await waiting(opened, 1);
    await end(maker, payload);
    expect(await waiter.next()).toMatchObject({ status: STATUS.leased });
  });

  test('at its end another one makes the value, too, and whichever is ready first counts', async () => {
    const [slow, next] = await twoCallers();
    const first = await slow.ask(COMMAND.lease, lease(20));
    const second = await next.ask(COMMAND.lease, lease());
    expect([first.status, second.status]).toEqual([STATUS.leased, STATUS.leased]);
    const fill = { args: [first.payload, f64(0)], value: 'slow' };
    expect(await slow.ask(COMMAND.fill, fill)).toMatchObject({ status: STATUS.ok });
    const late = { args: [second.payload, f64(0)], value: 'late' };
    expect(await next.ask(COMMAND.fill, late)).toMatchObject({ status: STATUS.no });
    expect((await next.ask(COMMAND.get)).payload.toString()).toBe('slow');
  });

  test('a value made before its key was deleted does not count', async () => {
    const [maker, other] = await twoCallers();
    const { payload } = await maker.ask(COMMAND.lease, lease());
    await other.ask(COMMAND.delete);
    const fill = { args: [payload, f64(0)], value: 'stale' };
    expect(await maker.ask(COMMAND.fill, fill)).toMatchObject({ status: STATUS.no });
    expect(await other.ask(COMMAND.get)).toMatchObject({ status: STATUS.no });
  });

  test('who sets the value meanwhile serves those that wait', async () => {
    const [maker, waiter, opened] = await twoCallers();
    await maker.ask(COMMAND.lease, lease());
    waiter.send(COMMAND.lease, lease());
    await waiting(opened, 1);
    await maker.ask(COMMAND.set, set('k', 'set'));
    expect((await waiter.next()).payload.toString()).toBe('set');
  });

  test('who has no patience left, or would wait for itself, makes it alone', async () => {
    const [maker, waiter] = await twoCallers();
    await maker.ask(COMMAND.lease, lease());
    expect(await maker.ask(COMMAND.lease, lease())).toMatchObject({ status: STATUS.busy });
    expect(await waiter.ask(COMMAND.lease, lease(60_000, 10))).toMatchObject({ status: STATUS.busy });
  });

  test('a lease that was left without a word ends for its own connection, too', async () => {
    const [maker] = await twoCallers();
    await maker.ask(COMMAND.lease, lease(1));
    await until('it is leased again', async () => (await maker.ask(COMMAND.lease, lease())).status === STATUS.leased);
  });

  test('one that waits and dies is forgotten', async () => {
    const [maker, waiter, opened] = await twoCallers();
    const { path, cache, listener } = opened;
    const third = new Caller(path);
    const { payload } = await maker.ask(COMMAND.lease, lease());
    waiter.send(COMMAND.lease, lease());
    await waiting(opened, 1);
    third.send(COMMAND.lease, lease());
    await waiting(opened, 2);
    waiter.socket.destroy();
    await until('it is gone', () => listener.connections === 2);
    await maker.ask(COMMAND.release, { args: [payload] });
    expect(await third.next()).toMatchObject({ status: STATUS.leased });
    third.socket.destroy();
    await until('nothing is left', () => cache.leases.size === 0);
  });

  test('one connection has at most 64', async () => {
    const [maker] = await twoCallers();
    const statuses: number[] = [];
    for (let at = 0; at < 65; at += 1)
      statuses.push((await maker.ask(COMMAND.lease, { ...lease(), key: `k${at}` })).status);
    expect(statuses.slice(63)).toEqual([STATUS.leased, STATUS.busy]);
  });
});

test('expired entries are given back though nobody asks for them', async () => {
  const { path, cache } = await openCache();
  const caller = new Caller(path);
  await caller.ask(COMMAND.set, { args: [f64(20)], value: 's' });
  await caller.ask(COMMAND.increment, { key: 'n', args: [i64(1n), f64(20)] });
  expect(cache.store.figures.entries).toBe(2);
  await until('they are gone', () => cache.store.figures.entries === 0);
  expect(cache.store.figures).toMatchObject({ bytes: 0, expired: 2 });
});

test('its file is for its owner alone', async () => {
  const { path } = await openCache();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
