/**
 * Hostile peers, at random: whatever they send, every request settles with an answer or a GatewayError of the table,
 * and no request gets a byte of another's answer. fast-check prints the seed and the smallest case on failure;
 * FUZZ_SEED=n repeats one run.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isCode, isGatewayError } from '../../gateway/errors.ts';
import { Answers } from '../../gateway/fastcgi/answers.ts';
import type { ExchangeSink } from '../../gateway/fastcgi/due.ts';
import { Connection, collect, encodeParams } from '../../gateway/fastcgi/index.ts';
import { CgiParser } from '../../gateway/fastcgi/response.ts';
import { fakeFastCgi, halfClose, readRequest, send, sendApart } from '../support/fake-fastcgi.ts';
import { decodePairsOf, decodeRecords, endRequest, pingAnswer, record, stderr, stdout, Type } from './codec.ts';

const seed = Number(process.env.FUZZ_SEED ?? 20_261_121);
const runs = (numRuns: number): { seed: number; numRuns: number } => ({ seed, numRuns });

const LIMITS = { headMaxBytes: 256, bodyMaxBytes: 2000, stderrMaxBytes: 100 };
const FIRST = 'first-answer';
const SECOND = 'second-answer';

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

/** Any record, mostly of a plausible kind. */
const anyRecord = fc
  .record({
    type: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...Object.values(Type)) },
      { weight: 1, arbitrary: fc.nat(255) },
    ),
    content: fc.oneof(
      bytes(60),
      fc.constantFrom(Buffer.from(`\r\n${FIRST}`), Buffer.from(`A: b\n\n${FIRST}`), Buffer.alloc(8)),
    ),
    id: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(0, 1) }, { weight: 1, arbitrary: fc.nat(65_535) }),
    padding: fc.oneof(fc.constant(0), fc.nat(255)),
    version: fc.oneof({ weight: 30, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.nat(255) }),
  })
  .map(({ type, content, ...fields }) => record(type, content, fields));

/** A valid answer with its ping, of the most usual shapes. */
const validAnswer = fc
  .record({ pieces: fc.array(bytes(40), { maxLength: 4 }), noise: fc.option(bytes(40)), padding: fc.nat(255) })
  .map(({ pieces, noise, padding }) =>
    Buffer.concat([
      pingAnswer(),
      ...(noise ? [stderr(noise)] : []),
      stdout(`A: b\r\n\r\n${FIRST}`, { padding }),
      ...pieces.map((piece) => stdout(piece)),
      endRequest(0, { padding: padding % 8 }),
    ]),
  );

/** One byte set, some removed, or some put in between. */
const mutated = fc
  .tuple(validAnswer, fc.nat(), fc.nat(255), fc.constantFrom('set', 'cut', 'insert', 'end'), bytes(12))
  .map(([valid, position, byte, how, inserted]) => {
    const at = position % valid.length;
    const before = valid.subarray(0, at);
    if (how === 'end') return before;
    if (how === 'insert') return Buffer.concat([before, inserted, valid.subarray(at)]);
    if (how === 'cut') return Buffer.concat([before, valid.subarray(at + 1 + (byte % 8))]);
    return Buffer.concat([before, Buffer.from([byte]), valid.subarray(at + 1)]);
  });

const hostile = fc.oneof(
  bytes(300),
  mutated,
  fc.array(anyRecord, { maxLength: 8 }).map((records) => Buffer.concat(records)),
  fc.tuple(validAnswer, fc.oneof(bytes(30), anyRecord)).map((parts) => Buffer.concat(parts)),
  validAnswer,
);

/** Cuts at random places. */
const chunked = (whole: Buffer, cuts: readonly number[]): Buffer[] => {
  const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b);
  return [...places, whole.length].map((end, index) => whole.subarray(places[index - 1] ?? 0, end));
};

const secondAnswer = Buffer.concat([pingAnswer(), stdout(`\r\n${SECOND}`), endRequest()]);

const expectOurs = (error: unknown): void => {
  if (!isGatewayError(error)) throw new Error(`not a GatewayError: ${String(error)}`, { cause: error });
  if (!isCode(error.code) || error.code === 'internal-error')
    throw new Error(`the code ${error.code}`, { cause: error });
};

/** The collector's logic on a sink of its own, without a connection. */
const recorder = (): { sink: ExchangeSink; text: () => string } => {
  const seen: Buffer[] = [];
  const keep = (piece: Buffer): void => void seen.push(Buffer.from(piece));
  const parser = new CgiParser(LIMITS.headMaxBytes, { head: () => {}, body: keep });
  return {
    sink: { stdout: (piece) => parser.push(piece), stderr: keep },
    text: () => Buffer.concat(seen).toString('latin1'),
  };
};

describe('without a socket', () => {
  test('whatever comes, both requests settle when the input ends, and the second gets nothing of the first', async () => {
    const property = fc.asyncProperty(
      hostile,
      fc.array(fc.nat(), { maxLength: 12 }),
      fc.boolean(),
      async (input, cuts, ping) => {
        const answers = new Answers('the peer');
        const first = recorder();
        const second = recorder();
        const one = answers.expectRequest(first.sink, ping);
        one.progress.sent = 'complete';
        const settled = [one.done.then(() => 'ok', expectOurs)];
        let failure: ReturnType<Answers['push']>;
        for (const chunk of chunked(input, cuts)) failure ??= answers.push(chunk);
        // As the owner does: the connection is used again only if all that was due has come and nothing else.
        if (failure === undefined && answers.settled) {
          const two = answers.expectRequest(second.sink, true);
          two.progress.sent = 'complete';
          settled.push(two.done.then(() => 'ok', expectOurs));
          failure = answers.push(secondAnswer);
          // Padding that the first owes may eat of the second's answer: then it must fail, not be half of something.
          const whole = two.progress.ended && failure === undefined;
          if (second.text() !== (whole ? SECOND : '')) throw new Error(`the second got ${second.text()}`);
          if (first.text().includes(SECOND)) throw new Error('the first got bytes of the second');
        }
        answers.end(failure ?? { code: 'worker-crashed', detail: 'ended' }, true);
        await Promise.all(settled);
        if (one.progress.ended && !input.includes(endRequest().subarray(0, 6)))
          throw new Error('ended without END_REQUEST');
      },
    );
    await fc.assert(property, runs(20_000));
  });

  test('how the bytes are cut changes nothing', () => {
    const outcome = (chunks: readonly Buffer[]): object => {
      const answers = new Answers('the peer');
      const { sink, text } = recorder();
      const { progress, done } = answers.expectRequest(sink, true);
      done.catch(() => {});
      let failure: ReturnType<Answers['push']>;
      for (const chunk of chunks) failure ??= answers.push(chunk);
      const { ping, ended } = progress;
      // A failure may be met before or after the last piece in front of it; without one, every byte must be the same.
      return failure === undefined
        ? { ping, ended, text: text(), bytes: progress.bytesReceived, settled: answers.settled }
        : { ping, ended, code: failure.code };
    };
    const property = fc.property(hostile, fc.array(fc.nat(), { maxLength: 20 }), (input, cuts) => {
      const whole = outcome([input]);
      expect(outcome(chunked(input, cuts))).toEqual(whole);
      expect(outcome([...input].map((byte) => Buffer.from([byte])))).toEqual(whole);
    });
    fc.assert(property, runs(5000));
  });

  test('a CGI head of any bytes is taken or refused, never half of both', () => {
    const part = fc.constantFrom('A: b', 'Status: 404', 'Status: ', ' ', '\r', '\n', '\r\n', ':', '\0', 'x', '\u00ff');
    const property = fc.property(
      fc.array(part, { maxLength: 30 }),
      fc.array(fc.nat(), { maxLength: 6 }),
      (parts, cuts) => {
        const input = Buffer.from(parts.join(''), 'latin1');
        const outcome = (chunks: readonly Buffer[]): string => {
          const events: string[] = [];
          const parser = new CgiParser(64, {
            head: ({ status, headers }) => events.push(`${status} ${JSON.stringify(headers)}`),
            body: (piece) => events.push(piece.toString('latin1')),
          });
          try {
            for (const chunk of chunks) parser.push(chunk);
          } catch (error) {
            expectOurs(error);
            return 'refused';
          }
          return events.join('');
        };
        expect(outcome(chunked(input, cuts))).toBe(outcome([input]));
      },
    );
    fc.assert(property, runs(10_000));
  });

  test('params of any text come back, or are refused with a code', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.constantFrom('', '\0', 'v'.repeat(65_530)));
    const property = fc.property(fc.array(fc.tuple(text, text), { maxLength: 6 }), (params) => {
      try {
        const { records, rest } = decodeRecords(encodeParams(1, params));
        expect(rest).toHaveLength(0);
        const wellFormed = params.map(([name, value]) => [name.toWellFormed(), value.toWellFormed()]);
        expect(records.flatMap(({ content }) => decodePairsOf(content))).toEqual(wellFormed);
      } catch (error) {
        expectOurs(error);
      }
    });
    fc.assert(property, runs(2000));
  });
});

describe('through a socket', () => {
  const request = { params: [], body: Buffer.from('x'), ping: true, keepConnection: true };

  /** Whether the pure core finds a second answer whole behind this input. */
  const staysClean = (input: Buffer): boolean => {
    const answers = new Answers('the peer');
    const [one, two] = [1, 2].map(() => answers.expectRequest(recorder().sink, true));
    for (const expected of [one, two]) expected?.done.catch(() => {});
    const first = answers.push(input);
    if (first !== undefined || !one?.progress.ended || two?.progress.ping === 'answered') return false;
    return answers.push(secondAnswer) === undefined && two?.progress.ended === true;
  };

  test('the first settles, and a second gets its own answer or none', async () => {
    const property = fc.asyncProperty(hostile, fc.array(fc.nat(), { maxLength: 6 }), async (input, cuts) => {
      const clean = staysClean(input);
      const answerSecond = [readRequest, send(secondAnswer)];
      const server = await fakeFastCgi('unix', [
        readRequest,
        sendApart(...chunked(input, cuts)),
        ...(clean ? answerSecond : []),
        halfClose,
      ]);
      try {
        const connection = await Connection.open(server.address, { timeoutMs: 10_000 });
        const bodyOf = async (): Promise<string | undefined> => {
          try {
            return (await collect(connection, request, LIMITS).response).body.toString('latin1');
          } catch (error) {
            expectOurs(error);
            return undefined;
          }
        };
        const first = await bodyOf();
        if (first?.includes(SECOND)) throw new Error('the first got bytes of the second');
        if (clean && (await bodyOf()) !== SECOND) throw new Error('the second is not clean');
        await connection.closed;
      } finally {
        await server.close();
      }
    });
    await fc.assert(property, runs(400));
  });

  test('junk in the same write as END_REQUEST never reaches a second request', async () => {
    const property = fc.asyncProperty(validAnswer, fc.oneof(bytes(30), anyRecord), async (valid, junk) => {
      const server = await fakeFastCgi('unix', [readRequest, send(valid, junk), readRequest, halfClose]);
      try {
        const connection = await Connection.open(server.address, { timeoutMs: 10_000 });
        await collect(connection, request, { ...LIMITS, bodyMaxBytes: 10_000 }).response;
        expect(connection.usable).toBe(junk.length === 0);
        if (junk.length === 0) connection.destroy();
        await connection.closed;
      } finally {
        await server.close();
      }
    });
    await fc.assert(property, runs(200));
  });
});
