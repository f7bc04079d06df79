/** Traces on their way to a collector that is fast, slow, broken or gone: bounded, and every loss is told. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ExportQueue, type ExportQueueOptions } from '../../gateway/trace/export-queue.ts';

interface Trace {
  readonly id: number;
  readonly textChars: number;
}
type Options = ExportQueueOptions<Trace, string>;

/** A collector that answers when the test says so. */
class Collector {
  readonly requests: { readonly spans: readonly string[]; answer: (error?: Error) => void }[] = [];

  readonly send: Options['send'] = (spans) =>
    new Promise((resolve, reject) => {
      this.requests.push({ spans, answer: (error) => (error === undefined ? resolve() : reject(error)) });
    });

  get spans(): string[] {
    return this.requests.flatMap(({ spans }) => spans);
  }

  answerAll(error?: Error): void {
    for (const { answer } of this.requests) answer(error);
  }
}

const spansOf = ({ id }: Trace): string[] => [`${id} server`, `${id} attempt`, `${id} php`];

const make = (more: Partial<Options> = {}) => {
  const collector = new Collector();
  const losses: Parameters<Options['onLoss']>[0][] = [];
  const onLoss: Options['onLoss'] = (loss) => void losses.push(loss);
  const sizes = { waitingMax: 300, batchMax: 30, delayMs: 5000 };
  const queue = new ExportQueue<Trace, string>({ spansOf, send: collector.send, onLoss, ...sizes, ...more });
  const add = (count: number, textChars = 0): void => {
    for (let id = 0; id < count; id += 1) queue.add({ id, textChars });
  };
  return { queue, collector, losses, add };
};

/** Lets everything happen that is due within that time: of immediates one each ms. */
const pass = async (ms = 1): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a full batch goes outside of the call that filled it, fewer wait for more', async () => {
  const { queue, collector, add } = make();
  add(10);
  expect(collector.requests).toEqual([]);
  await pass();
  expect(collector.requests.map(({ spans }) => spans.length)).toEqual([30]);
  add(9);
  await pass(4999);
  expect(collector.requests).toHaveLength(1);
  await pass(1);
  expect(collector.requests.map(({ spans }) => spans.length)).toEqual([30, 27]);
  collector.answerAll();
  await pass();
  expect(queue.status).toEqual({ waiting: 0, sent: 19, dropped: 0, failed: 0 });
});

test('a slow collector gets four requests at a time, and each span once, in order', async () => {
  const { queue, collector, add } = make();
  add(95);
  await pass(10);
  expect(collector.requests).toHaveLength(4);
  await pass(60_000);
  expect(collector.requests).toHaveLength(4);
  for (let at = 0; at < 9; at += 1) {
    collector.requests[at]?.answer();
    await pass();
  }
  expect(collector.requests).toHaveLength(9);
  await pass(5000);
  collector.answerAll();
  await pass();
  const all = Array.from({ length: 95 }, (_, id) => spansOf({ id, textChars: 0 })).flat();
  expect(collector.spans).toEqual(all);
  expect(queue.status).toEqual({ waiting: 0, sent: 95, dropped: 0, failed: 0 });
});

test('no more wait than the bound allows: the rest is counted and told at once, then at most every 10 s', async () => {
  const { queue, losses, add } = make();
  add(150);
  expect(queue.status).toEqual({ waiting: 100, sent: 0, dropped: 50, failed: 0 });
  expect(losses).toEqual([{ dropped: 1, failed: 0, why: 'too many wait for the collector' }]);
  await pass(9999);
  expect(losses).toHaveLength(1);
  await pass(1);
  expect(losses[1]).toMatchObject({ dropped: 49, failed: 0 });
  await pass(60_000);
  expect(losses).toHaveLength(2);
});

test('few traces with much text are as bounded as many with little', async () => {
  const { queue, add, collector } = make();
  add(9, 8_388_608);
  expect(queue.status).toMatchObject({ waiting: 5, dropped: 4 });
  await pass(5000);
  collector.answerAll();
  add(3, 8_388_608);
  expect(queue.status).toMatchObject({ waiting: 3, dropped: 4 });
});

test('what the collector does not take is counted and told with its reason', async () => {
  const { queue, collector, losses, add } = make();
  add(10);
  await pass();
  collector.answerAll(new Error('connect ECONNREFUSED'));
  await pass();
  expect(queue.status).toEqual({ waiting: 0, sent: 0, dropped: 0, failed: 10 });
  expect(losses).toEqual([{ dropped: 0, failed: 10, why: 'connect ECONNREFUSED' }]);
  add(10);
  await pass();
  collector.answerAll();
  await pass();
  expect(queue.status).toMatchObject({ sent: 10, failed: 10 });
});

test('a trace that cannot be made into spans is a loss, no crash', async () => {
  const broken: Options['spansOf'] = () => {
    throw new Error('a bug');
  };
  const { queue, losses, add } = make({ spansOf: broken });
  add(10);
  await pass();
  expect(queue.status).toMatchObject({ waiting: 0, failed: 10 });
  expect(losses).toEqual([{ dropped: 0, failed: 10, why: 'a bug' }]);
});

test('closing sends everything that waits, and takes no more', async () => {
  const { queue, collector, add, losses } = make({ send: async (spans) => await collector.send(spans) });
  add(95);
  const closing = queue.close(3000);
  for (let at = 0; at < 10; at += 1) {
    collector.answerAll();
    await pass();
  }
  await closing;
  expect(queue.status).toEqual({ waiting: 0, sent: 95, dropped: 0, failed: 0 });
  expect(losses).toEqual([]);
  add(1);
  expect(queue.status).toMatchObject({ waiting: 0, dropped: 1 });
});

test('closing waits for a mute collector no longer than it may, and tells what it left', async () => {
  const { queue, collector, add, losses } = make();
  add(95);
  let closed = false;
  const closing = queue.close(3000).then(() => (closed = true));
  await pass(2999);
  expect([closed, collector.requests.length]).toEqual([false, 4]);
  await pass(1);
  await closing;
  // Also those under way, of which nobody can say whether they arrived.
  expect(queue.status).toEqual({ waiting: 0, sent: 0, dropped: 95, failed: 0 });
  expect(losses).toEqual([{ dropped: 95, failed: 0, why: 'the gateway ended before the collector took them' }]);
});
