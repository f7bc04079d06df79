/** Calls inside of calls, through real admission and the real rules, on workers without PHP that end when we say so. */

import { staysForever } from '../../gateway/caller.ts';
import { isGatewayError } from '../../gateway/errors.ts';
import { Admission } from '../../gateway/invoke/admission.ts';
import { Nesting } from '../../gateway/invoke/nesting.ts';
import type { Slot } from '../../gateway/pool/backend.ts';
import type { Cores } from '../../gateway/pool/cores.ts';
import { type Lacks, lacks } from '../../gateway/pool/places.ts';
import type { Pool } from '../../gateway/pool/pool.ts';
import type { Placed } from '../../gateway/pool/slot.ts';
import type { Workload } from '../../gateway/pool/workload.ts';

interface FakeSlot extends Pick<Slot, 'isBehind' | 'rest' | 'resume'> {
  end(): void;
}

export interface PoolPlan {
  readonly workers: number;
  /** Undefined: none, as for pools that somebody else runs. */
  readonly reserve: number | undefined;
}

type Asked = 'name' | 'available' | 'isFull' | 'status' | 'take' | 'takeReserve' | 'lacks' | 'onFree';

class Workers implements Pick<Pool, Asked> {
  readonly name: string;
  readonly available = true;
  onFree = (): void => {};
  onFailed = (): void => {};
  readonly state = 'awake';
  /** Times that a worker in reserve was given. */
  reserveUses = 0;
  readonly #plan: PoolPlan;
  readonly #cores: Cores | undefined;
  #taken = 0;
  #slow = 0;
  #reserveTaken = 0;

  constructor(name: string, plan: PoolPlan, cores: Cores | undefined) {
    this.name = name;
    this.#plan = plan;
    this.#cores = cores;
    cores?.onFreed(() => this.onFree());
  }

  get isFull(): boolean {
    return this.#taken >= this.#plan.workers;
  }

  get taken(): number {
    return this.#taken + this.#reserveTaken;
  }

  get status(): Pool['status'] {
    return { backends: [{ taken: this.#taken }], reserve: undefined } as unknown as Pool['status'];
  }

  lacks({ workload, awaited }: Placed): Lacks {
    const { workers } = this.#plan;
    const freeWorkers = workers - this.#taken;
    const slowWorkers = this.#slow;
    return lacks({ workload, awaited, workers, freeWorkers, slowWorkers, cores: this.#cores, quickCallsAround: true });
  }

  lack(): boolean {
    return false;
  }

  take(placed: Placed, onFreed: () => void): Slot | undefined {
    if (this.lacks(placed) !== 'nothing') return undefined;
    const { isSlow } = placed.workload;
    this.#taken += 1;
    if (isSlow) this.#slow += 1;
    return this.#slot(placed.workload, () => {
      this.#taken -= 1;
      if (isSlow) this.#slow -= 1;
      onFreed();
    });
  }

  takeReserve(placed: Placed, onFreed: () => void): Slot | undefined {
    if (this.#reserveTaken >= (this.#plan.reserve ?? 0)) return undefined;
    this.#reserveTaken += 1;
    this.reserveUses += 1;
    return this.#slot(placed.workload, () => {
      this.#reserveTaken -= 1;
      onFreed();
    });
  }

  #slot({ cpuShare, isSlow }: Workload, freed: () => void): Slot {
    const cores = this.#cores;
    const taken = { cpuShare, isSlow };
    cores?.take(taken);
    let rests = false;
    const slot: FakeSlot = {
      isBehind: false,
      rest: () => {
        if (!rests) cores?.give(taken);
        rests = true;
      },
      resume: () => {
        if (rests) cores?.take(taken);
        rests = false;
      },
      end: () => {
        freed();
        if (!rests) cores?.give(taken);
        this.onFree();
      },
    };
    return slot as unknown as Slot;
  }
}

export interface CallPlan {
  readonly fn: string;
  /** One after the other: those of a step at once. */
  readonly steps: readonly (readonly CallPlan[])[];
}

export interface FunctionPlan {
  readonly pool: string;
  readonly workload: { readonly wallMs: number; readonly cpuMs: number };
}

/** A call that has begun, as the test sees it. */
interface Seen {
  readonly pool: string;
  readonly parent: Seen | undefined;
  readonly inside: Set<Seen>;
  isWaiting: boolean;
  /** It has given its worker back. */
  isOver: boolean;
}

export class NestedCalls {
  readonly nesting = new Nesting();
  readonly pools = new Map<string, Workers>();
  readonly refused: string[] = [];
  readonly #functions: Readonly<Record<string, FunctionPlan>>;
  readonly #admissions = new Map<string, Admission>();
  /** What PHP does between calls: each ends when it is picked. */
  readonly #working: (() => void)[] = [];
  readonly #seen = new Set<Seen>();
  #begun = 0;

  constructor(
    pools: Readonly<Record<string, PoolPlan>>,
    functions: Readonly<Record<string, FunctionPlan>>,
    cores: Cores | undefined,
  ) {
    this.#functions = functions;
    for (const [name, plan] of Object.entries(pools)) {
      const pool = new Workers(name, plan, cores);
      this.pools.set(name, pool);
      this.#admissions.set(
        name,
        new Admission(pool as unknown as Pool, { queueMax: 10_000, queueTargetMs: 0 }, this.nesting),
      );
    }
    for (const [name, { pool, workload }] of Object.entries(functions)) {
      const measured = this.#admissions.get(pool)?.workload(name);
      for (let n = 0; n < 5; n += 1) measured?.record({ pid: 1, peakBytes: 0, waits: 1, ...workload });
    }
  }

  get working(): number {
    return this.#working.length;
  }

  get waiting(): number {
    return [...this.#seen].filter((seen) => seen.isWaiting).length;
  }

  /** Resolves when the call has ended, whether it was served or refused. */
  async run(plan: CallPlan, path: readonly string[] = [], outer?: { readonly id: string; readonly seen: Seen }) {
    this.#begun += 1;
    const id = String(this.#begun);
    const { pool = '' } = this.#functions[plan.fn] ?? {};
    const ancestry = outer === undefined ? undefined : { callId: outer.id, path, awaited: true };
    const call = this.nesting.begin(id, plan.fn, ancestry);
    const seen: Seen = { pool, parent: outer?.seen, inside: new Set(), isWaiting: true, isOver: false };
    outer?.seen.inside.add(seen);
    this.#seen.add(seen);
    try {
      const granted = this.#admissions.get(pool)?.enter({
        fn: { name: plan.fn, inFlightMax: undefined, priority: 'normal' },
        queueTimeoutMs: 600_000,
        remainingMs: 600_000,
        mayShare: false,
        caller: staysForever,
        callerKey: path.at(-1) ?? '',
        isPatient: false,
        call,
      });
      const slot = (await granted) as unknown as FakeSlot;
      seen.isWaiting = false;
      await this.#work();
      for (const step of plan.steps) {
        await Promise.all(step.map((inner) => this.run(inner, [...path, plan.fn], { id, seen })));
        await this.#work();
      }
      seen.isOver = true;
      slot.end();
    } catch (error) {
      if (!isGatewayError(error)) throw error;
      this.refused.push(error.code);
    } finally {
      this.#seen.delete(seen);
      outer?.seen.inside.delete(seen);
      this.nesting.answered(call, false);
    }
  }

  /** One that works goes on; `at`: which. False when none does. */
  async turn(at: number): Promise<boolean> {
    // Promises that follow from the last one.
    await new Promise((resolve) => setImmediate(resolve));
    const [work] = this.#working.splice(at % Math.max(1, this.#working.length), 1);
    work?.();
    return work !== undefined;
  }

  /**
   * Whether nobody would ever have a worker for a call of this pool again without help: however well all else goes, all that
   * run without a call inside end, and whoever waits where a worker is free is served and ends.
   */
  isDead(pool: string): boolean {
    const open = new Map([...this.#seen].map((seen) => [seen, new Set(seen.inside)]));
    const free = new Set([...this.pools].filter(([, workers]) => !workers.isFull).map(([name]) => name));
    for (let before = -1; before !== open.size; ) {
      before = open.size;
      for (const [seen, inside] of open) {
        if (inside.size > 0 || (seen.isWaiting && !free.has(seen.pool))) continue;
        open.delete(seen);
        if (!seen.isOver) free.add(seen.pool);
        if (seen.parent !== undefined) open.get(seen.parent)?.delete(seen);
      }
    }
    return !free.has(pool);
  }

  async #work(): Promise<void> {
    await new Promise<void>((resolve) => this.#working.push(resolve));
  }
}
