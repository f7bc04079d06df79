/** Who of several requests on one connection has run, when each has an id of its own. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Executed, GatewayError } from '../../gateway/errors.ts';
import type { Exchange } from '../../gateway/fastcgi/due.ts';
import { MultiplexedAnswers } from '../../gateway/fastcgi/multiplexed.ts';
import { type Begun, NestedCalls } from '../../gateway/fastcgi/nested-calls.ts';
import type { Progress } from '../../gateway/fastcgi/progress.ts';
import { endRequest, pingAnswer, stdout } from './codec.ts';

const CRASH = { code: 'worker-crashed', detail: 'It ended.' } as const;

interface Asked {
  readonly exchange: Exchange & { readonly progress: Progress };
  readonly output: string[];
  error: GatewayError | undefined;
  over: boolean;
}

const ask = (answers: MultiplexedAnswers): Asked => {
  const output: string[] = [];
  const exchange = answers.expectRequest({
    stdout: (piece) => output.push(piece.toString()),
    stderr: () => {},
    over: (error) => {
      asked.error = error;
      asked.over = true;
    },
  });
  const asked: Asked = { exchange, output, error: undefined, over: false };
  exchange.progress.sent = 'complete';
  return asked;
};

const start = (): { answers: MultiplexedAnswers; asked: Asked[] } => {
  const answers = new MultiplexedAnswers('unix:/worker');
  return { answers, asked: [ask(answers), ask(answers), ask(answers)] };
};

const executed = (asked: readonly Asked[]): (Executed | 'answered')[] =>
  asked.map(({ error }) => error?.executed ?? 'answered');

const idOf = (asked: Asked | undefined): { id: number } => ({ id: asked?.exchange.requestId ?? 0 });

describe('each request gets its own answer', () => {
  test('in the order written', () => {
    const { answers, asked } = start();
    for (const each of asked) answers.push(Buffer.concat([stdout('hello', idOf(each)), endRequest(0, idOf(each))]));
    expect(asked.map(({ output, over }) => [output, over])).toEqual(asked.map(() => [['hello'], true]));
    expect(answers.settled).toBe(true);
  });

  test('or in any other', () => {
    const { answers, asked } = start();
    for (const each of [...asked].reverse())
      answers.push(Buffer.concat([stdout('x', idOf(each)), endRequest(0, idOf(each))]));
    expect(asked.every(({ over, error }) => over && error === undefined)).toBe(true);
  });

  test('ids go round, and none is given twice at a time', () => {
    const answers = new MultiplexedAnswers('unix:/worker');
    const kept = ask(answers);
    const ids = new Set<number>([kept.exchange.requestId]);
    for (let n = 0; n < 70_000; n += 1) {
      const each = ask(answers);
      expect(each.exchange.requestId).not.toBe(kept.exchange.requestId);
      ids.add(each.exchange.requestId);
      answers.push(endRequest(0, idOf(each)));
    }
    expect([Math.min(...ids), Math.max(...ids)]).toEqual([1, 65_535]);
  });
});

describe('when the connection ends', () => {
  test('the first may have run, those behind it have not', () => {
    const { answers, asked } = start();
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['unknown', 'no', 'no']);
  });

  test('the first has run if something of its answer came', () => {
    const { answers, asked } = start();
    answers.push(stdout('half', idOf(asked[0])));
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['yes', 'no', 'no']);
  });

  test('the next may have begun once the first is answered', () => {
    const { answers, asked } = start();
    answers.push(endRequest(0, idOf(asked[0])));
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['answered', 'unknown', 'no']);
  });

  test('nothing is proved by an end of our own', () => {
    const { answers, asked } = start();
    answers.end(CRASH, false, false);
    expect(executed(asked)).toEqual(['unknown', 'unknown', 'unknown']);
  });

  test('a lone request that the worker left unread has not run', () => {
    const answers = new MultiplexedAnswers('unix:/worker');
    const asked = ask(answers);
    answers.end(CRASH, true, true);
    expect(executed([asked])).toEqual(['no']);
  });

  test('what was left unread may be what was written behind it: that proves nothing', () => {
    for (const write of [
      (answers: MultiplexedAnswers) => void answers.expectPing(),
      (answers: MultiplexedAnswers, asked: Asked) => void answers.expectAbort(asked.exchange.requestId),
    ]) {
      const answers = new MultiplexedAnswers('unix:/worker');
      const asked = ask(answers);
      write(answers, asked);
      answers.end(CRASH, true, true);
      expect(executed([asked])).toEqual(['unknown']);
    }
  });

  test('pings that are due resolve with nothing', async () => {
    const { answers } = start();
    const ping = answers.expectPing();
    answers.end(CRASH, true, false);
    expect(await ping).toBeUndefined();
  });
});

test('one that was taken back has not run, and the first stays first', () => {
  const { answers, asked } = start();
  expect(answers.expectAbort(asked[1]?.exchange.requestId ?? 0)).toBe(true);
  answers.push(endRequest(2, idOf(asked[1])));
  expect(asked[1]?.error).toMatchObject({ code: 'pool-unavailable', executed: 'no' });
  answers.end(CRASH, true, false);
  expect(executed(asked)).toEqual(['unknown', 'no', 'no']);
});

describe('what fits no request ends the connection', () => {
  test.each([
    ['output for an id that is not due', stdout('x', { id: 999 })],
    ['an end of one that is answered already', endRequest(0, { id: 999 })],
    ['an answer to a ping nobody sent', pingAnswer()],
    ['an unknown protocol status', endRequest(9)],
  ])('%s', (_what, bytes) => {
    const { answers } = start();
    expect(answers.push(bytes)).toMatchObject({ code: 'bad-function-response' });
  });

  test('output of a request that was refused', () => {
    const { answers, asked } = start();
    expect(answers.push(Buffer.concat([stdout('x', idOf(asked[0])), endRequest(2, idOf(asked[0]))]))).toBeDefined();
  });
});

test('however answers, refusals and the end come: nobody behind the first unanswered is ever said to have run', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('ask', 'answer', 'refuse', 'output'), { maxLength: 60 }),
      fc.boolean(),
      fc.boolean(),
      (steps, readToEnd, leftUnread) => {
        const answers = new MultiplexedAnswers('unix:/worker');
        const waiting: Asked[] = [];
        for (const step of steps) {
          const [first] = waiting;
          if (step === 'ask') waiting.push(ask(answers));
          else if (first === undefined) continue;
          else if (step === 'output') answers.push(stdout('x', idOf(first)));
          else if (step === 'answer') answers.push(endRequest(0, idOf(waiting.shift())));
          else {
            // The runtime takes back what has not begun alone.
            const last = waiting.length > 1 ? waiting.pop() : undefined;
            if (last !== undefined) answers.push(endRequest(2, idOf(last)));
          }
        }
        answers.end(CRASH, readToEnd, leftUnread);
        const said = executed(waiting);
        for (const behind of said.slice(1)) expect(behind).toBe(readToEnd ? 'no' : 'unknown');
        if (waiting[0] !== undefined && waiting[0].output.length > 0) expect(said[0]).toBe('yes');
        if (said[0] === 'no') expect(readToEnd && leftUnread && waiting.length === 1).toBe(true);
      },
    ),
  );
});

describe('a peer that says with an answer that it serves nothing more', () => {
  test('has not begun what is due, though the first is answered, and its end proves it', () => {
    const { answers, asked } = start();
    answers.push(endRequest(0, idOf(asked[0])));
    answers.noneBegins();
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['answered', 'no', 'no']);
  });

  test('and tells so of some: that says nothing else of the others', () => {
    const { answers, asked } = start();
    answers.push(endRequest(0, idOf(asked[0])));
    answers.noneBegins();
    answers.push(endRequest(2, idOf(asked[1])));
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['answered', 'no', 'no']);
  });

  test('our own end of the connection proves nothing', () => {
    const { answers, asked } = start();
    answers.push(endRequest(0, idOf(asked[0])));
    answers.noneBegins();
    answers.end(CRASH, false, false);
    expect(executed(asked)).toEqual(['answered', 'unknown', 'unknown']);
  });
});

describe('a peer that runs many at once', () => {
  const nobody = { unsentBytes: 0, write: () => {}, giveUp: () => {} };
  const concurrent = (begun?: Begun) => {
    const nested = new NestedCalls({ messageMaxBytes: 1, onCall: () => {} }, nobody);
    const answers = new MultiplexedAnswers('unix:/worker', nested, begun);
    return { answers, asked: [ask(answers), ask(answers), ask(answers)] };
  };

  test('its end proves what it had not written down', () => {
    const { answers, asked } = concurrent(() => ({ ids: new Set([1, 3]), knownOf: 100 }));
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['unknown', 'no', 'unknown']);
  });

  test('but not of what was written long ago: it may run still, and its mark is out of sight', () => {
    const { answers, asked } = concurrent(() => ({ ids: new Set([3]), knownOf: 2 }));
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['unknown', 'no', 'unknown']);
  });

  test('what had answered in part has run', () => {
    const { answers, asked } = concurrent(() => ({ ids: new Set([1, 2, 3]), knownOf: 100 }));
    answers.push(stdout('x', { id: 2 }));
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['unknown', 'yes', 'unknown']);
  });

  test('our own close proves nothing', () => {
    const { answers, asked } = concurrent(() => ({ ids: new Set(), knownOf: 100 }));
    answers.end(CRASH, false, false);
    expect(executed(asked)).toEqual(['unknown', 'unknown', 'unknown']);
  });

  test.each<[string, (() => undefined) | undefined]>([
    ['wrote nothing down', () => undefined],
    ['cannot be asked', undefined],
  ])('one that %s may have begun all', (_, begun) => {
    const { answers, asked } = concurrent(begun);
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['unknown', 'unknown', 'unknown']);
  });

  test('saying that it serves nothing more says nothing of those it runs', () => {
    const { answers, asked } = concurrent(() => ({ ids: new Set([2]), knownOf: 100 }));
    answers.noneBegins();
    answers.push(Buffer.concat([stdout('x', { id: 1 }), endRequest(0, { id: 1 })]));
    answers.end(CRASH, true, false);
    expect(executed(asked)).toEqual(['answered', 'unknown', 'no']);
  });
});
