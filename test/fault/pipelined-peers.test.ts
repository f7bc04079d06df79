/**
 * Calls in line on a peer that breaks its word: none hangs, none runs twice, and none that it had begun is told that it
 * was not executed. fast-check prints the seed and the smallest case on failure; FUZZ_SEED=n repeats one run.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { SerialBackend } from '../../gateway/pool/backend.ts';
import { Cores } from '../../gateway/pool/cores.ts';
import {
  inLine,
  type Outcome,
  passForWorker,
  runOn,
  shortWork,
  startBackend,
  workloadOf,
} from '../support/backends.ts';
import {
  answer,
  answerPing,
  close,
  endRequest,
  type FakePeer,
  fakeFastCgi,
  halfClose,
  readPing,
  readRequest,
  type Step,
  type Story,
  send,
  serve,
  stall,
  stdout,
} from '../support/fake-fastcgi.ts';
import { until } from '../support/until.ts';
import * as wire from '../wire/codec.ts';

const seed = Number(process.env.FUZZ_SEED ?? 20_261_121);

const call = (n: number | string) => ({ params: [['N', String(n)]] as const });
const readAll: Story = [readRequest, readRequest, readRequest];

const NO = ['worker-crashed', 'no'];
const YES = ['worker-crashed', 'yes'];
const BROKEN_YES = ['bad-function-response', 'yes'];
const BROKEN = ['bad-function-response', 'unknown'];
const OK = ['ok', 'yes'];

const noneTaken = async (backend: SerialBackend): Promise<void> => {
  await until('all places are free', () => backend.status.taken === 0 && backend.status.behind === 0);
  expect(backend.options.cores?.wanted).toBe(0);
};

describe('three in line', () => {
  test.each<[string, Story, (readonly string[])[]]>([
    ['ends before the first', [...readAll, close], [NO, NO, NO]],
    ['ends in the first', [...readAll, answerPing, close], [YES, NO, NO]],
    ['ends with bytes unread', [readPing, answerPing, close], [YES, NO, NO]],
    ['ends its side only, in the first', [...readAll, answerPing, halfClose, stall], [YES, NO, NO]],
    ['cuts the answer of the first', [...readAll, answerPing, stdout('\r\nhalf'), close], [YES, NO, NO]],
    ['ends behind the first', [serve('1'), readRequest, readRequest, close], [OK, NO, NO]],
    ['ends in the second', [serve('1'), readRequest, readRequest, answerPing, close], [OK, YES, NO]],
    ['ends behind the second', [serve('1'), serve('2'), readRequest, close], [OK, OK, NO]],
    ['refuses the first', [...readAll, answerPing, endRequest(2), close], [['pool-unavailable', 'no'], NO, NO]],
    [
      'answers the first under another id',
      [...readAll, answerPing, send(wire.stdout('\r\n1', { id: 2 })), stall],
      [BROKEN_YES, BROKEN, BROKEN],
    ],
    ['writes no records', [...readAll, answerPing, send(Buffer.alloc(64, 'x')), stall], [BROKEN_YES, BROKEN, BROKEN]],
    ['answers before the ping', [...readAll, stdout('\r\n1'), stall], [BROKEN, BROKEN, BROKEN]],
    [
      'ends the first twice',
      [...readAll, answerPing, stdout('\r\n1'), endRequest(), endRequest(), stall],
      [OK, BROKEN, BROKEN],
    ],
    [
      'adds to the first behind its end',
      [...readAll, answerPing, answer('1'), stdout('more'), stall],
      [OK, BROKEN, BROKEN],
    ],
    [
      'writes half a record behind the first and ends',
      [...readAll, answerPing, answer('1'), send(wire.pingAnswer().subarray(0, 5)), close],
      [OK, NO, NO],
    ],
    [
      'answers the ping of the second twice',
      [...readAll, answerPing, answer('1'), answerPing, answerPing, stall],
      [OK, BROKEN_YES, BROKEN],
    ],
    [
      'never gives the head of an answer',
      [...readAll, answerPing, stdout('x'), endRequest(), close],
      [BROKEN_YES, NO, NO],
    ],
  ])('%s', async (_name, story, told) => {
    const server = await fakeFastCgi('unix', [passForWorker, ...story]);
    const backend = startBackend(server.address);
    await backend.probe();
    const outcomes = await Promise.all(inLine(backend, [call(1), call(2), call(3)]));
    expect(outcomes.map(({ code, executed }) => [code, executed])).toEqual(told);
    await noneTaken(backend);
  });

  test('stalls for ever: at their deadlines all are told what is known, and the places stay taken', async () => {
    const server = await fakeFastCgi('unix', [passForWorker, ...readAll, answerPing, stall]);
    const backend = startBackend(server.address);
    await backend.probe();
    const calls = inLine(
      backend,
      [1, 2, 3].map((n) => ({ ...call(n), timeLimitMs: 600, remainingMs: 600 })),
    );
    const outcomes = (await Promise.all(calls)).map(({ code, executed }) => [code, executed]);
    expect(outcomes[0]).toEqual(['function-timeout', 'unknown']);
    expect(outcomes.slice(1)).toEqual(Array(2).fill(['deadline-exceeded', 'unknown']));
    // Elsewhere nothing can be ended: the worker may still do all of it.
    expect(backend.status).toMatchObject({ taken: 1, behind: 2, late: 3 });
    server.peer.socket.destroy();
    await noneTaken(backend);
  });

  test('the gateway ends it: of none that was written it is said that it did not run', async () => {
    const server = await fakeFastCgi('unix', [passForWorker, ...readAll, answerPing, stall]);
    const backend = startBackend(server.address);
    await backend.probe();
    const calls = inLine(backend, [call(1), call(2), call(3)]);
    await until('all of it is written', () => server.peer.requests.length === 4);
    backend.destroy();
    for (const { code, executed } of await Promise.all(calls)) {
      expect(code).toBe('worker-crashed');
      expect(executed).not.toBe('no');
    }
    await noneTaken(backend);
  });
});

/** How a worker treats the next call of its line. */
const DEEDS = [
  'answers',
  'ends before it begins',
  'ends when it has begun',
  'cuts its answer',
  'ends behind its answer',
  'half closes before it begins',
  'half closes behind its answer',
  'breaks the protocol',
] as const;
type Deed = (typeof DEEDS)[number];

/** Notes what it has begun; when its deeds are done it answers all that comes. */
class FickleWorker {
  readonly ran: string[] = [];
  readonly #deeds: Deed[];
  readonly #served = new Map<FakePeer, number>();

  constructor(deeds: readonly Deed[]) {
    this.#deeds = [...deeds];
  }

  readonly story: Step = async (peer) => {
    await passForWorker(peer);
    for (;;) {
      await readRequest(peer);
      if (!(await this.#serve(peer))) return;
    }
  };

  /** False when it serves no more. */
  async #serve(peer: FakePeer): Promise<boolean> {
    const n = this.#next(peer);
    const deed = this.#deeds.shift() ?? 'answers';
    if (deed === 'ends before it begins') return end(peer);
    if (deed === 'half closes before it begins') return endSide(peer);
    // Its sender may have gone.
    this.ran.push(n);
    await answerPing(peer);
    if (deed === 'ends when it has begun') return end(peer);
    if (deed === 'cuts its answer') {
      await stdout('\r\nhalf')(peer);
      return end(peer);
    }
    if (deed === 'breaks the protocol') {
      await send(wire.stdout('\r\nx', { id: 7 }))(peer);
      // Whatever becomes of its answers, it does what it was asked.
      for (;;) {
        await readRequest(peer);
        this.ran.push(this.#next(peer));
      }
    }
    await answer(n)(peer);
    if (deed === 'ends behind its answer') return end(peer);
    if (deed === 'half closes behind its answer') return endSide(peer);
    return true;
  }

  /** Of this connection, the first being the gateway's own. */
  #next(peer: FakePeer): string {
    const at = (this.#served.get(peer) ?? 0) + 1;
    this.#served.set(peer, at);
    return peer.requests[at]?.params[0]?.[1] ?? '';
  }
}

const end = (peer: FakePeer): false => {
  peer.socket.destroy();
  return false;
};

const endSide = async (peer: FakePeer): Promise<false> => {
  peer.socket.end();
  await peer.closed;
  return false;
};

test('whatever a worker does, no call runs twice, and none that ran is told that it did not', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...DEEDS), { maxLength: 12 }),
      fc.integer({ min: 1, max: 8 }),
      // Turns of the event loop until the gateway ends it all.
      fc.option(fc.nat(12)),
      async (deeds, count, turns) => {
        const worker = new FickleWorker(deeds);
        const server = await fakeFastCgi('unix', [worker.story]);
        const cores = new Cores(2);
        const backend = startBackend(server.address, { cores });
        const told = new Map<string, Outcome>();
        const tell = (ids: readonly string[], outcomes: readonly Outcome[]): void => {
          for (const [at, outcome] of outcomes.entries()) told.set(ids[at] ?? '', outcome);
        };
        await backend.probe();
        const ids = Array.from({ length: count }, (_, n) => `c${n}`);
        const line = inLine(backend, ids.map(call), workloadOf({ wallMs: 0.1, cpuMs: 0.05 }));
        for (let turn = 0; turn < (turns ?? 0); turn += 1) await new Promise((resolve) => setImmediate(resolve));
        if (turns !== null) backend.destroy();
        tell(ids, await Promise.all(line));
        // As `invoke` moves them: a worker of its own for each. Those that have bad luck again are told so.
        for (const id of turns !== null ? [] : ids.filter((id) => told.get(id)?.executed === 'no')) {
          expect(worker.ran).not.toContain(id);
          await until('a worker is free', () => backend.free === 1);
          const slot = backend.take({ workload: shortWork(), mayShare: false, awaited: false }, () => {});
          tell([id], [await runOn(slot, call(id))]);
        }
        await until('all places are free', () => backend.status.taken === 0 && backend.status.behind === 0);
        expect(cores.wanted).toBeCloseTo(0, 9);
        expect(told.size).toBe(count);
        for (const id of ids) {
          const runs = worker.ran.filter((ran) => ran === id).length;
          const { code, executed, body } = told.get(id) ?? {};
          expect(runs).toBeLessThanOrEqual(1);
          if (runs === 1) expect(executed).not.toBe('no');
          if (code === 'ok') expect([runs, body]).toEqual([1, id]);
          else expect(code).toMatch(/^(?:worker-crashed|bad-function-response)$/);
        }
        backend.destroy();
        await server.close();
      },
    ),
    { seed, numRuns: 150 },
  );
});
