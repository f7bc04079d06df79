/** Nobody waits for ever: thousands of calls through admission, on workers that are free when we say so. */
import { expect, test } from 'vitest';
import { Admission } from '../../gateway/invoke/admission.ts';
import { Nesting } from '../../gateway/invoke/nesting.ts';
import type { Entry } from '../../gateway/invoke/rows.ts';
import type { Slot } from '../../gateway/pool/backend.ts';
import { Cores } from '../../gateway/pool/cores.ts';
import { type Lacks, lacks } from '../../gateway/pool/places.ts';
import type { Pool } from '../../gateway/pool/pool.ts';
import type { Placed } from '../../gateway/pool/slot.ts';
import type { Workload } from '../../gateway/pool/workload.ts';

/** Workers without PHP, given by the real rules. */
class Workers
  implements Pick<Pool, 'name' | 'available' | 'take' | 'lacks' | 'lack' | 'onFree' | 'onFailed' | 'state'>
{
  readonly name = 'test';
  readonly available = true;
  onFree = (): void => {};
  onFailed = (): void => {};
  readonly state = 'awake';
  readonly #workers: number;
  readonly #cores: Cores;
  readonly #running: { readonly workload: Workload; readonly onFreed: () => void }[] = [];

  constructor(workers: number, cores: Cores) {
    this.#workers = workers;
    this.#cores = cores;
    cores.onFreed(() => this.onFree());
  }

  lacks({ workload }: Placed): Lacks {
    const slowWorkers = this.#running.filter((call) => call.workload.isSlow).length;
    const freeWorkers = this.#workers - this.#running.length;
    const { cpuShare, isSlow } = workload;
    return lacks({
      workload: { cpuShare, isSlow },
      awaited: false,
      workers: this.#workers,
      freeWorkers,
      slowWorkers,
      cores: this.#cores,
      quickCallsAround: true,
    });
  }

  lack(): boolean {
    return false;
  }

  take(placed: Placed, onFreed: () => void): Slot | undefined {
    if (this.lacks(placed) !== 'nothing') return undefined;
    const { workload } = placed;
    this.#cores.take(workload);
    this.#running.push({ workload, onFreed });
    return {} as Slot;
  }

  /** The call that has run longest ends. */
  end(): void {
    const call = this.#running.shift();
    if (call === undefined) return;
    call.onFreed();
    this.#cores.give(call.workload);
    this.onFree();
  }
}

interface Kind {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly callers: number;
}

const entryOf = (name: string): Entry => ({
  fn: { name, inFlightMax: undefined, priority: 'normal' },
  queueTimeoutMs: 600_000,
  remainingMs: 600_000,
  mayShare: false,
  caller: { hasLeft: false, whenLeft: () => {} },
  callerKey: '',
  isPatient: false,
  call: new Nesting().begin('id', name, undefined),
});

/** Callers that call again as soon as they are served; how many calls of each function were, when so many have ended. */
const serve = async (workers: number, cores: Cores, kinds: Readonly<Record<string, Kind>>) => {
  const pool = new Workers(workers, cores);
  const admission = new Admission(pool as unknown as Pool, { queueMax: 1000, queueTargetMs: 0 }, new Nesting());
  const served: Record<string, number> = {};
  let isOver = false;
  const callAgain = async (name: string): Promise<void> => {
    while (!isOver) {
      await admission.enter(entryOf(name));
      served[name] = (served[name] ?? 0) + 1;
    }
  };
  for (const [name, { wallMs, cpuMs, callers }] of Object.entries(kinds)) {
    const workload = admission.workload(name);
    for (let n = 0; n < 3; n += 1) workload.record({ pid: 1, peakBytes: 1, wallMs, cpuMs, waits: 1 });
    for (let n = 0; n < callers; n += 1) void callAgain(name);
  }
  return {
    served,
    end: async (): Promise<void> => {
      pool.end();
      // Those who were served call again.
      await new Promise((resolve) => setImmediate(resolve));
    },
    stop: (): void => {
      isOver = true;
    },
  };
};

test.each<[string, Record<string, Kind>]>([
  [
    'a slow call among quick ones that fill the pool',
    { quick: { wallMs: 5, cpuMs: 0, callers: 12 }, slow: { wallMs: 60, cpuMs: 0, callers: 1 } },
  ],
  [
    'a call that computes among many that compute a little',
    { light: { wallMs: 10, cpuMs: 3, callers: 40 }, heavy: { wallMs: 10, cpuMs: 10, callers: 1 } },
  ],
  [
    'a quick call among slow ones that would fill the pool',
    { slow: { wallMs: 1000, cpuMs: 0, callers: 40 }, quick: { wallMs: 1, cpuMs: 0, callers: 1 } },
  ],
  [
    'a call that waits among many that compute',
    { computing: { wallMs: 20, cpuMs: 20, callers: 40 }, waiting: { wallMs: 20, cpuMs: 0, callers: 1 } },
  ],
])('%s is served', async (_name, kinds) => {
  const { served, end, stop } = await serve(4, new Cores(2), kinds);
  const isLacking = (): boolean => Object.keys(kinds).some((name) => (served[name] ?? 0) < 5);
  // Functions share time, not calls: of one that takes a thousand times as long a call is served for a thousand others.
  for (let n = 0; n < 300 || (n < 5000 && isLacking()); n += 1) await end();
  stop();
  for (const name of Object.keys(kinds)) expect(served[name], name).toBeGreaterThanOrEqual(5);
});

test('pools share the cores: neither keeps the other from computing', async () => {
  const cores = new Cores(2);
  const computing = { wallMs: 20, cpuMs: 20 };
  const many = await serve(8, cores, { a: { ...computing, callers: 20 } });
  const few = await serve(8, cores, { b: { ...computing, callers: 3 } });
  for (let n = 0; n < 300; n += 1) await (n % 2 === 0 ? many : few).end();
  many.stop();
  few.stop();
  expect(many.served.a).toBeGreaterThan(50);
  expect(few.served.b).toBeGreaterThan(50);
});

test('a full queue refuses only those who would have to wait', async () => {
  const cores = new Cores(2);
  const admission = new Admission(
    new Workers(8, cores) as unknown as Pool,
    { queueMax: 2, queueTargetMs: 0 },
    new Nesting(),
  );
  const computing = admission.workload('computing');
  for (let n = 0; n < 3; n += 1) computing.record({ pid: 1, peakBytes: 1, wallMs: 20, cpuMs: 20, waits: 1 });
  const calls = Array.from({ length: 6 }, () => admission.enter(entryOf('computing')));
  const last = calls.at(-1);
  await expect(last).rejects.toMatchObject({
    code: 'overloaded',
    message: '2 calls wait for the pool test already; its queueMax is 2.',
  });
  expect(admission.waiting).toBe(2);
  await admission.enter(entryOf('waiting'));
});
