/** Results that are not read hold back what would make more of them, but never what everything waits for. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BatchBody } from '../../gateway/http/batch-body.ts';
import { ResultStore } from '../../gateway/http/result-store.ts';
import { Spool } from '../../gateway/spool.ts';
import { temporaryFolder } from '../support/lifetime.ts';

const KEPT_MAX_BYTES = 3_000_000;
const RESULT = JSON.stringify('x'.repeat(99_998));

const make = (order: 'finish' | 'input') => {
  const spool = new Spool(join(temporaryFolder(), 'spool'), { afterBytes: 0, maxBytes: 100_000_000 });
  let rooms = 0;
  const body = new BatchBody({
    format: 'lines',
    order,
    store: new ResultStore(spool),
    keptMaxBytes: KEPT_MAX_BYTES,
    idleWriteTimeoutMs: 60_000,
    onRoom: () => {
      rooms += 1;
    },
    onLeft: () => {},
    cut: undefined,
  });
  return { body, reader: body.readable().getReader(), rooms: () => rooms };
};

const FULL = 40;

test('as they end: no further item begins once keptMaxBytes wait, until some are read', async () => {
  const { body, reader, rooms } = make('finish');
  expect(body.mayStart(0)).toBe(true);
  for (let at = 0; at < FULL; at += 1) body.add(at, RESULT);
  expect(body.mayStart(FULL)).toBe(false);
  const room = body.room();
  expect(room).toBeInstanceOf(Promise);
  for (let read = 0; read < FULL; read += 1) await reader.read();
  await room;
  expect(rooms()).toBeGreaterThan(0);
  expect(body.mayStart(FULL)).toBe(true);
  await reader.cancel();
});

test('in order: the one that is due begins though all others fill the disk, and then the reader is due', async () => {
  const { body, reader } = make('input');
  for (let at = 1; at <= FULL; at += 1) body.add(at, RESULT);
  expect(body.mayStart(FULL + 1)).toBe(false);
  expect(body.mayStart(0)).toBe(true);
  body.add(0, RESULT);
  expect(body.mayStart(FULL + 1)).toBe(false);
  const texts: string[] = [];
  for (let read = 0; read <= FULL; read += 1) texts.push(Buffer.from((await reader.read()).value ?? []).toString());
  expect(texts).toEqual(Array(FULL + 1).fill(`${RESULT}\n`));
  expect(body.mayStart(FULL + 1)).toBe(true);
  await reader.cancel();
});

test('in order: none begins that is more than 10,000 items ahead of the one that is due', async () => {
  const { body, reader } = make('input');
  expect([body.mayStart(9_999), body.mayStart(10_000)]).toEqual([true, false]);
  await reader.cancel();
  // Nothing is kept for a reader that has left.
  expect(body.mayStart(10_000)).toBe(true);
});
