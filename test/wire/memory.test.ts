/** Memory that is used again: nobody's bytes change before he has given them back, and what is kept free is bounded. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { giveBack, stream } from '../../gateway/fastcgi/index.ts';
import { borrow, isOwn, share } from '../../gateway/fastcgi/memory.ts';
import { connect, LIMITS, request } from '../fault/fastcgi-client.ts';
import { answerPing, fakeFastCgi, readPing, readRequest, type Step, send } from '../support/fake-fastcgi.ts';
import { endRequest as endRecord, stdout as stdoutRecord } from './codec.ts';

const seed = Number(process.env.FUZZ_SEED ?? 20_261_121);
const SIZES = [1, 100, 65_536, 65_537, 262_144, 1_048_976, 4_194_304, 5_000_000];

test('whatever is borrowed, shared and given back in whatever order, all that is in use stays as it was', () => {
  const step = fc.record({
    what: fc.constantFrom('borrow', 'borrow', 'share', 'give back', 'give back'),
    size: fc.constantFrom(...SIZES),
    which: fc.nat(1000),
  });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const users: { readonly piece: Buffer; readonly stamp: number }[] = [];
    let stamp = 0;
    for (const { what, size, which } of steps) {
      const user = users[which % Math.max(1, users.length)];
      if (what === 'borrow') {
        const piece = borrow(size);
        expect(piece.length).toBeGreaterThanOrEqual(size);
        stamp += 1;
        piece.writeUInt8(stamp, 0);
        piece.writeUInt8(stamp, piece.length - 1);
        users.push({ piece, stamp });
      } else if (user !== undefined && what === 'share') {
        share(user.piece);
        users.push(user);
      } else if (user !== undefined) {
        users.splice(users.indexOf(user), 1);
        giveBack(user.piece);
      }
      for (const each of users)
        expect([each.piece.readUInt8(0), each.piece.readUInt8(each.piece.length - 1)]).toEqual([
          each.stamp,
          each.stamp,
        ]);
    }
    for (const { piece } of users) giveBack(piece);
  });
  fc.assert(property, { seed, numRuns: 300 });
});

test('what was given back is borrowed next; what was given back too often, or is no block, harms nobody', () => {
  const first = borrow(300_000);
  giveBack(first.subarray(5, 10));
  giveBack(first);
  giveBack(Buffer.from('not ours'));
  const [again, other] = [borrow(300_000), borrow(300_000)];
  expect(again.buffer).toBe(first.buffer);
  expect(other.buffer).not.toBe(first.buffer);
  expect(isOwn(again)).toBe(true);
  share(again);
  expect(isOwn(again)).toBe(false);
});

test('of what nobody uses no more than 16 MB is kept, and the size in use has a place there', () => {
  const large = Array.from({ length: 10 }, () => borrow(4_000_000));
  for (const each of large) giveBack(each);
  const kept = Array.from({ length: 10 }, () => borrow(4_000_000)).filter((each) => large.includes(each));
  expect(kept).toHaveLength(4);
  for (const each of kept) giveBack(each);
  const small = borrow(65_536);
  giveBack(small);
  expect(borrow(65_536)).toBe(small);
});

/** Each of its numbers tells where in which answer it belongs. */
const contentOf = (answer: number, length: number): Buffer => {
  const content = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) content.writeUInt32BE(answer * 1_000_000 + at / 4, at);
  return content;
};

test('streams of several connections, read and given back in turn, mix nothing', async () => {
  const property = fc.asyncProperty(
    fc.array(fc.array(fc.integer({ min: 1, max: 65_535 }), { minLength: 1, maxLength: 12 }), {
      minLength: 2,
      maxLength: 4,
    }),
    fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }),
    async (answers, givesBack) => {
      const read = async (lengths: readonly number[], answer: number): Promise<void> => {
        const content = contentOf(
          answer,
          lengths.reduce((sum, length) => sum + length, 0),
        );
        const starts = lengths.map((_, at) => lengths.slice(0, at).reduce((sum, length) => sum + length, 0));
        const records = lengths.map((length, at) =>
          stdoutRecord(content.subarray(starts[at], (starts[at] ?? 0) + length)),
        );
        const story: Step[] = [readPing, answerPing, readRequest, send(stdoutRecord('\r\n'), ...records, endRecord())];
        const server = await fakeFastCgi('unix', story);
        const streamed = await stream(await connect(server.address), request(), LIMITS).response;
        const kept: { readonly piece: Buffer; readonly at: number }[] = [];
        let readBytes = 0;
        let turn = answer;
        for (let piece = await streamed.read(); piece !== undefined; piece = await streamed.read()) {
          await new Promise((resolve) => setImmediate(resolve));
          expect(piece.equals(content.subarray(readBytes, readBytes + piece.length))).toBe(true);
          turn += 1;
          if (givesBack[turn % givesBack.length]) giveBack(piece);
          else kept.push({ piece, at: readBytes });
          readBytes += piece.length;
        }
        expect(readBytes).toBe(content.length);
        for (const { piece, at: from } of kept)
          expect(piece.equals(content.subarray(from, from + piece.length))).toBe(true);
      };
      await Promise.all(answers.map(read));
    },
  );
  await fc.assert(property, { seed, numRuns: 25 });
});
