/** When a resident worker has to go. */
import { expect, test } from 'vitest';
import { configSchema } from '../../gateway/config.ts';
import type { Meta } from '../../gateway/pool/envelope.ts';
import { WorkerLife } from '../../gateway/pool/recycling.ts';

const settings = (more: object = {}) => {
  const { pools } = configSchema.parse({ pools: { default: { resident: more } } });
  const pool = pools.default;
  if (pool?.kind !== 'managed') throw new Error('The pool is not managed.');
  return pool.resident;
};

const usage = { pid: 1, peakBytes: 0, cpuMs: 0, wallMs: 0, waits: 0 };
const answered = (more: Partial<Meta> = {}): Meta =>
  ({ outcome: 'output', encoding: 'json', ...usage, served: 1, memoryBytes: 1_000_000, ...more }) as Meta;

const MIDDLE = [0.5, 0.5] as const;

test('it stays while it is young, small and has served few calls', () => {
  const life = new WorkerLife(settings(), 0, MIDDLE);
  life.note(answered());
  expect(life.due(1000)).toBeUndefined();
});

test.each([
  ['calls', { callsMax: 100 }, answered({ served: 100 }), 0],
  ['memory', { memoryMaxBytes: 2 ** 20 }, answered({ memoryBytes: 2 ** 20 + 1 }), 0],
  ['age', { ageMaxMs: 5000 }, answered(), 5000],
  [
    'leak',
    { leaks: 'recycle' },
    answered({ leaks: [{ kind: 'static', name: 'A::$b', detail: '', restored: false }] }),
    0,
  ],
] as const)('it is due for its %s', (ending, limits, meta, nowMs) => {
  const life = new WorkerLife(settings(limits), 0, MIDDLE);
  life.note(meta);
  expect(life.due(nowMs)).toBe(ending);
});

test('workers that began together go one after the other: within a tenth of the limits', () => {
  const dueAt = (random: number): number => {
    const life = new WorkerLife(settings({ callsMax: 1000 }), 0, [random, random]);
    let served = 0;
    while (life.due(0) === undefined) {
      served += 1;
      life.note(answered({ served }));
    }
    return served;
  };
  expect([dueAt(0), dueAt(0.5), dueAt(1)]).toEqual([900, 1000, 1100]);
});

test.each([
  ['what was put back', 'recycle', true],
  ['what is only told of', 'warn', false],
  ['what moves the function instead', 'fpm', false],
])('%s replaces nobody', (_what, leaks, restored) => {
  const life = new WorkerLife(settings({ leaks }), 0, MIDDLE);
  life.note(answered({ leaks: [{ kind: 'static', name: 'A::$b', detail: '', restored }] }));
  expect(life.due(0)).toBeUndefined();
});

test.each([
  ['exit', 'exit'],
  ['fatal', 'fatal-error'],
  ['out-of-memory', 'out-of-memory'],
  ['output', 'crashed'],
] as const)('one that ends behind the outcome %s has ended by %s', (outcome, ending) => {
  const life = new WorkerLife(settings(), 0, MIDDLE);
  life.note(answered({ outcome } as Partial<Meta>));
  expect(life.ending).toBe(ending);
  life.stopped = true;
  expect(life.ending).toBe('stopped');
});

test('what calls hold that run beside it does not count as its own', () => {
  const life = new WorkerLife(settings({ memoryMaxBytes: 2 ** 20, callMemoryBytes: 2 ** 16 }), 0, MIDDLE);
  life.note(answered({ memoryBytes: 3 * 2 ** 20, running: 32 }));
  expect(life.due(0)).toBeUndefined();
  life.note(answered({ memoryBytes: 3 * 2 ** 20, running: 31 }));
  expect(life.due(0)).toBe('memory');
  life.note(answered({ memoryBytes: 3 * 2 ** 20 }));
  expect(life.due(0)).toBe('memory');
});

test.each(['exit', 'fatal', 'out-of-memory'] as const)('behind %s it serves no other call', (outcome) => {
  const life = new WorkerLife(settings(), 0, MIDDLE);
  life.note(answered());
  expect(life.isOver).toBe(false);
  life.note(answered({ outcome } as Partial<Meta>));
  expect(life.isOver).toBe(true);
});

test.each(['output', 'output-buffer'])('a leak of kind %s spoils it, whatever the policy', (kind) => {
  const life = new WorkerLife(settings({ leaks: 'off' }), 0, MIDDLE);
  life.note(answered({ leaks: [{ kind, name: 'a', detail: '', restored: true }] }));
  expect(life.isSpoiled).toBe(false);
  life.note(answered({ leaks: [{ kind, name: 'a', detail: '', restored: false }] }));
  expect([life.isSpoiled, life.ending]).toEqual([true, 'leak']);
});
