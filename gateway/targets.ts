/** Where each function of a release runs: its pool, its engine, and what calls of it left behind in resident workers. */
import type { Settings } from './config.ts';
import type { Engine } from './contract.ts';
import type { Admission } from './invoke/admission.ts';
import { Breaker, type BreakerStatus } from './invoke/breaker.ts';
import type { Target } from './invoke/call.ts';
import type { GatewayFunction } from './invoke/function.ts';
import { encodeFunctionParams } from './invoke/function-params.ts';
import type { Outcomes } from './invoke/outcomes.ts';
import { FreeRepeats, RetryBudget } from './invoke/retry.ts';
import type { Log } from './log.ts';
import type { InputClasses } from './pool/check.ts';
import type { Leak } from './pool/envelope.ts';
import { isAttached, type Pool } from './pool/pool.ts';
import { kindFor, poolId } from './pool/pool-kind.ts';
import { isLasting } from './pool/recycling.ts';

export interface TargetsParts {
  readonly settings: Pick<Settings, 'breaker'>;
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly pools: ReadonlyMap<string, Pool>;
  /** By the pool's id. */
  readonly admissions: ReadonlyMap<string, Admission>;
  readonly inputClasses: InputClasses;
  readonly outcomes: Outcomes;
  readonly log: Log;
}

/** What calls of a function left behind. */
export interface LeakStatus extends Leak {
  readonly times: number;
  readonly lastAt: string;
}

/** Of one function: more would fill memory where names are made anew for each call. */
const LEAKS_MAX = 20;

export class Targets {
  readonly #parts: TargetsParts;
  readonly #targets = new Map<string, Target>();
  readonly #leaks = new Map<string, Map<string, LeakStatus>>();
  /** By the function's name, and by the pool's id. */
  readonly #functionBreakers = new Map<string, Breaker>();
  readonly #poolBreakers = new Map<string, Breaker>();
  readonly #freeRepeats = new Map<string, FreeRepeats>();

  constructor(parts: TargetsParts) {
    this.#parts = parts;
    for (const fn of parts.functions.values()) this.#place(fn, fn.engine);
  }

  get byName(): ReadonlyMap<string, Target> {
    return this.#targets;
  }

  leaksOf(name: string): readonly LeakStatus[] {
    return [...(this.#leaks.get(name)?.values() ?? [])];
  }

  breakerOf(name: string): BreakerStatus | undefined {
    return this.#functionBreakers.get(name)?.status(performance.now());
  }

  /** Undefined: it has no functions. */
  poolBreakerOf(id: string): BreakerStatus | undefined {
    return this.#poolBreakers.get(id)?.status(performance.now());
  }

  /** A function that moves to another pool keeps its own. */
  #breaker(breakers: Map<string, Breaker>, key: string, kind: 'function' | 'pool'): Breaker {
    const { settings, log } = this.#parts;
    const known = breakers.get(key);
    if (known !== undefined) return known;
    const breaker = new Breaker(settings.breaker, {
      subject: `The ${kind} ${key}`,
      random: Math.random,
      onChange: (state, why) => {
        const line = { [kind]: key, breaker: state, why };
        if (state === 'open') log.error(line, 'circuit breaker opens');
        else log.warn(line, state === 'closed' ? 'circuit breaker closes' : 'circuit breaker lets calls try');
      },
    });
    breakers.set(key, breaker);
    return breaker;
  }

  #freeRepeatsOf(pool: Pool): FreeRepeats {
    const known = this.#freeRepeats.get(pool.id) ?? new FreeRepeats(pool.status.maxWorkers);
    this.#freeRepeats.set(pool.id, known);
    return known;
  }

  /** Nothing where its pool does not run: the release does not start then. */
  #place(fn: GatewayFunction, engine: Engine): boolean {
    const { pools, admissions, inputClasses, outcomes } = this.#parts;
    const id = poolId(fn.pool, kindFor(engine, fn.concurrency));
    const pool = pools.get(id);
    const admission = admissions.get(id);
    if (pool === undefined || admission === undefined) return false;
    const workload = admission.workload(fn.name);
    workload.concurrency = pool.workerKind === 'concurrent' ? fn.concurrency : 1;
    this.#targets.set(fn.name, {
      fn,
      engine,
      admission,
      workload,
      retryBudget: new RetryBudget(),
      outcome: outcomes.of(fn.name),
      freeRepeats: this.#freeRepeatsOf(pool),
      circuit: {
        fn: this.#breaker(this.#functionBreakers, fn.name, 'function'),
        pool: this.#breaker(this.#poolBreakers, id, 'pool'),
      },
      connectTimeoutMs: pool.settings.connectTimeoutMs,
      encodedParams:
        engine === 'fpm'
          ? encodeFunctionParams(pool.paths, fn, inputClasses.get(fn.pool, fn.code))
          : new Map([['', Buffer.alloc(0)]]),
      beginUpload: () => pool.beginUpload(),
      onLeaks: (leaks) => this.#found(fn, pool, leaks),
    });
    return true;
  }

  #found(fn: GatewayFunction, pool: Pool, leaks: readonly Leak[]): void {
    const known = this.#leaks.get(fn.name) ?? new Map<string, LeakStatus>();
    this.#leaks.set(fn.name, known);
    for (const leak of leaks) {
      const key = `${leak.kind} ${leak.name}`;
      const times = (known.get(key)?.times ?? 0) + 1;
      if (times === 1 && known.size >= LEAKS_MAX) continue;
      known.set(key, { ...leak, times, lastAt: new Date().toISOString() });
      if (times === 1) {
        const { kind, name, detail, restored } = leak;
        this.#parts.log.warn({ function: fn.name, kind, name, detail, restored }, 'a call left something behind');
      }
    }
    if (!leaks.some(isLasting) || isAttached(pool.settings) || pool.settings.resident.leaks !== 'fpm') return;
    if (this.#targets.get(fn.name)?.engine === 'fpm' || !this.#place(fn, 'fpm')) return;
    this.#parts.log.error(
      { function: fn.name, leak: leaks.find(isLasting)?.name },
      'a function leaks: it runs in php-fpm from now on',
    );
  }
}
