/**
 * What a row of the catalogue breaks: a real gateway process on real php-fpm, and what is measured of it before and
 * after, so that each row proves the same: it is answered in time and as promised, nothing is left behind, and the
 * next call is served.
 */
import assert from 'node:assert/strict';
import type { GatewayPoolStatus } from '../../gateway/gateway.ts';
import type { TraceRecord } from '../../gateway/trace/record.ts';
import { type Lifetime, openFolder } from '../support/lifetime.ts';
import { isAlive, workersOf } from '../support/php-processes.ts';
import { type Functions, functionsProject } from '../support/project.ts';
import { Held } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';
import { GatewayProcess } from './gateway-process.ts';
import { type Answer, type CallOptions, send } from './http.ts';
import { FUNCTIONS } from './project.ts';

/** What two of the same kind of gateway differ in. Rows with the same spec share one, unless a row broke it. */
export interface WorldSpec {
  readonly env?: Readonly<Record<string, string>>;
  /** Besides those of every world. */
  readonly functions?: Functions;
  readonly descriptors?: number;
  /** What has to be there before the gateway starts; gives more environment. */
  readonly prepare?: (world: World) => Promise<Readonly<Record<string, string>>>;
  /** Starts what a gateway starts when it is wanted first, and keeps. */
  readonly warm?: (world: World) => Promise<unknown>;
}

export interface Expected {
  readonly status: number;
  readonly code: string;
  /** Several: any of them. */
  readonly executed: string | readonly string[];
  /** Of the call; what comes on top is for a machine that is busy. */
  readonly deadlineMs?: number;
  /** False where the request never became a call. */
  readonly isTraced?: boolean;
}

/** For a machine that has others to serve. */
const SLACK_MS = 10_000;
const SETTLED_MAX_MS = 30_000;
/** Buffers, compiled code and traces come and go; a body that stays would not. */
const RSS_SLACK_BYTES = 160 * 1_048_576;

interface Baseline {
  readonly descriptors: number;
  readonly workers: number;
  readonly rssBytes: number;
}

export class World {
  readonly lifetime: Lifetime;
  readonly folder: string;
  readonly project: string;
  /** What a row told of itself: shown behind it. */
  readonly notes: string[] = [];
  /** The last failure a row expected and met. */
  last: Answer | undefined;
  /** The row leaves nothing to be measured: its gateway has ended. */
  isOver = false;
  #gateway: GatewayProcess | undefined;
  #baseline: Baseline | undefined;
  #held = 0;

  static async start({ env, functions, descriptors, prepare, warm }: WorldSpec, lifetime: Lifetime): Promise<World> {
    const world = new World({ ...FUNCTIONS, ...functions }, lifetime);
    const more = (await prepare?.(world)) ?? {};
    const own = { FPMG_POOLS__DEFAULT__WORKERS: '2', FPMG_LOG__LEVEL: 'info' };
    world.#gateway = await GatewayProcess.start({
      project: world.project,
      env: { ...own, ...env, ...more },
      descriptors,
      lifetime,
    });
    // All workers are there, and everything that is loaded once is loaded.
    for (let at = 0; at < 4; at += 1) await world.serves();
    await warm?.(world);
    return world;
  }

  private constructor(functions: Functions, lifetime: Lifetime) {
    this.lifetime = lifetime;
    this.folder = openFolder(lifetime);
    this.project = functionsProject(functions, lifetime);
  }

  get gateway(): GatewayProcess {
    if (this.#gateway === undefined) throw new Error('The gateway has not started.');
    return this.#gateway;
  }

  /** Another one has taken its place. */
  replace(gateway: GatewayProcess): void {
    this.#gateway = gateway;
  }

  call(name: string, input: unknown = null, options: CallOptions = {}): Promise<Answer> {
    return send(`${this.gateway.url}/functions/${name}`, input, options);
  }

  async admin<T>(path: string): Promise<T> {
    const answer = await send(`${this.gateway.adminUrl}${path}`, undefined, { method: 'GET' });
    assert.equal(answer.status, 200, `${path}: ${answer.text.slice(0, 200)}`);
    return answer.body as T;
  }

  async pools(): Promise<readonly GatewayPoolStatus[]> {
    return (await this.admin<{ pools: GatewayPoolStatus[] }>('/admin/pools')).pools;
  }

  async masterPid(pool = 'default'): Promise<number> {
    const found = (await this.pools()).find(({ name, engine }) => name === pool && engine === 'fpm');
    assert.ok(found?.masterPid !== undefined, `the pool ${pool} has a master`);
    return found.masterPid;
  }

  async workers(pool = 'default'): Promise<readonly number[]> {
    return workersOf(await this.masterPid(pool));
  }

  /** A call that runs until it is told to go on, and its worker. */
  async hold(name = 'held'): Promise<{ held: Held; answer: Promise<Answer>; pid: number; leave: () => void }> {
    const held = this.held();
    const leaving = new AbortController();
    const answer = this.call(name, held.file, { signal: leaving.signal });
    const early = answer.then(({ status, code, text }): never => {
      throw new Error(`It was answered before it ran: ${status} ${code} ${text.slice(0, 300)}`);
    });
    early.catch(() => {});
    const pid = await Promise.race([held.started(), early]).catch(async (error: unknown) => {
      // Where it stands instead.
      throw new Error(`${String(error)}; ${JSON.stringify(await this.pools()).slice(0, 1500)}`);
    });
    return { held, answer, pid, leave: () => leaving.abort() };
  }

  held(): Held {
    this.#held += 1;
    return new Held(this.folder, `held-${this.#held}`);
  }

  /** The next good call succeeds. */
  async serves(name = 'echo'): Promise<void> {
    const answer = await this.call(name, { n: 1 });
    assert.deepEqual([answer.status, answer.body], [200, { n: 1 }], `${name}: ${answer.code} ${answer.text}`);
  }

  /** It may take some time until it does again; every answer until then must be one of these codes. */
  async recovers(meanwhile: readonly string[], name = 'echo'): Promise<void> {
    await until('calls are served again', async () => {
      const answer = await this.call(name, { n: 1 });
      if (answer.status === 200) return true;
      assert.ok(meanwhile.includes(answer.code), `${answer.status} ${answer.code} ${answer.text} while it recovers`);
      return false;
    });
  }

  /** What is promised of every failure: status, code, `executed`, in time, and a trace that says the same. */
  async expect(answer: Answer, expected: Expected): Promise<void> {
    const { status, code, executed, deadlineMs = 5000, isTraced = true } = expected;
    this.last = answer;
    const met = `${answer.status} ${answer.code} ${answer.executed}`;
    const wanted = [executed].flat().map((each) => `${status} ${code} ${each}`);
    assert.ok(wanted.includes(met), `${met} instead of ${wanted.join(' or ')}: ${answer.text.slice(0, 300)}`);
    assert.ok(answer.ms < deadlineMs + SLACK_MS, `it took ${Math.round(answer.ms)} ms`);
    if (isTraced) await this.assertTraced(answer, code);
  }

  async assertTraced({ traceId }: Pick<Answer, 'traceId'>, code: string | undefined): Promise<void> {
    assert.match(traceId ?? '', /^[0-9a-f]{32}$/);
    await until('its trace is kept', async () => {
      const kept = await send(`${this.gateway.adminUrl}/traces/${traceId}`, undefined, { method: 'GET' });
      if (kept.status !== 200) return false;
      const errors = (kept.body.calls as TraceRecord[]).map(({ error }) => error);
      assert.ok(errors.includes(code), `its trace says ${String(errors)}, not ${code}`);
      return true;
    });
  }

  /** Before a row. */
  async measure(): Promise<void> {
    this.notes.length = 0;
    this.last = undefined;
    await this.#settled();
    this.#baseline = await this.#now();
  }

  /** Behind a row: everything is as before it, exactly; only memory may have grown within bounds. */
  async assertNothingLeft(): Promise<void> {
    const before = this.#baseline;
    assert.ok(before !== undefined, 'it was measured');
    await this.serves();
    await this.#settled();
    let now = before;
    const same = async (): Promise<boolean> => {
      now = await this.#now();
      return now.descriptors === before.descriptors && now.workers === before.workers;
    };
    await until('descriptors and workers are as before', same, SETTLED_MAX_MS).catch(() => {
      assert.deepEqual(
        { descriptors: now.descriptors, workers: now.workers },
        { descriptors: before.descriptors, workers: before.workers },
        'something was left behind',
      );
    });
    assert.ok(
      now.rssBytes < before.rssBytes + RSS_SLACK_BYTES,
      `memory grew from ${before.rssBytes} to ${now.rssBytes} bytes`,
    );
  }

  /** No slot is taken, no call runs or waits, and every worker there should be is there. */
  async #settled(): Promise<void> {
    let why = '';
    const isSettled = async (): Promise<boolean> => {
      why = unsettled(await this.pools()) ?? '';
      return why === '';
    };
    await until('all slots are free', isSettled, SETTLED_MAX_MS).catch(() => assert.fail(`a slot was left: ${why}`));
  }

  async #now(): Promise<Baseline> {
    const pools = await this.pools();
    const kept = pools
      .flatMap(({ backends }) => backends)
      .reduce((sum, { idleConnections }) => sum + idleConnections, 0);
    const masters = pools.flatMap(({ masterPid }) => (masterPid === undefined ? [] : [masterPid]));
    return {
      // Its own connection to the admin listener is among them before and behind.
      descriptors: this.gateway.descriptors - kept,
      workers: masters.flatMap((pid) => workersOf(pid)).length,
      rssBytes: this.gateway.rssBytes,
    };
  }
}

const unsettled = (pools: readonly GatewayPoolStatus[]): string | undefined => {
  for (const pool of pools) {
    for (const { taken, calls, behind, late } of pool.backends)
      if (taken + calls + behind + late > 0) return `${pool.name}: ${JSON.stringify({ taken, calls, behind, late })}`;
    const busy = pool.functions.find(({ running, waiting }) => running + waiting > 0);
    if (busy !== undefined) return `${busy.name}: ${busy.running} running, ${busy.waiting} waiting`;
    if (pool.masterPid !== undefined && !isAlive(pool.masterPid)) return `${pool.name}: its master is gone`;
    const missing = pool.masterPid === undefined ? 0 : pool.minWorkers - workersOf(pool.masterPid).length;
    if (pool.engine === 'fpm' && missing > 0) return `${pool.name}: ${missing} workers are missing`;
  }
  return undefined;
};
