/** Calls at several times what the workers, or the gateway's thread, can do. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Called } from './callers.ts';
import { countCodes, isGood, isRefused, percentile, recoveryMs, type Wasted, wastedOf } from './figures.ts';
import type { Stage } from './stage.ts';

export const TIMEOUT_MS = 2000;
const LEAVERS = 0.1;
const RECOVERY_MS = 5000;
/** So many times the usual p99, and some for a busy machine, is normal still. */
const NORMAL = 2;
const NORMAL_MORE_MS = 10;
/** Of what can be done: nobody has to wait. */
const LIGHT = 0.2;
/** The gateway's own: written down twice a blink. */
const NOTES_MS = 300;

export interface StepOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly times: readonly number[];
}

export interface Step {
  readonly times: number;
  readonly sentPerSecond: number;
  /** Of them those whose callers did not leave. */
  readonly stayedPerSecond: number;
  readonly goodPerSecond: number;
  readonly goodP50Ms: number;
  readonly goodP99Ms: number;
  readonly refusedP50Ms: number;
  readonly refusedP99Ms: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly recoveryMs: number;
  /** How late the callers themselves were: where this is much, the machine was too busy for the figures to count. */
  readonly sentLateP99Ms: number;
  /** Of the gateway's thread, for each call that was sent, refused or not. */
  readonly cpuMicros: number;
  readonly wasted: Wasted | undefined;
}

export interface Overload {
  readonly function: string;
  readonly capacity: number;
  readonly normalP99Ms: number;
  readonly steps: readonly Step[];
}

const CONNECTIONS_MAX = 3000;
const HERE = '127.0.0.1';

const closed = async (stage: Stage, name: string, callers: number, ms: number): Promise<number> => {
  const common = { seed: 0, timeoutMs: TIMEOUT_MS, connectionsMax: callers, from: HERE, streams: [] };
  const calls = await stage.call({ ...common, closed: { callers, function: name, ms } });
  const good = calls.filter(isGood);
  return (good.length * 1000) / Math.max(ms, ...good.map(({ atMs, latencyMs }) => atMs + latencyMs));
};

const latencies = (calls: readonly Called[]): readonly number[] => calls.map(({ latencyMs }) => latencyMs);

const stepOf = (
  times: number,
  calls: readonly Called[],
  endMs: number,
  normalMs: number,
): Omit<Step, 'wasted' | 'cpuMicros'> => {
  const loaded = calls.filter(({ atMs }) => atMs < endMs);
  const good = loaded.filter(isGood);
  const refused = loaded.filter(isRefused);
  const perSecond = (some: readonly Called[]): number => (some.length * 1000) / endMs;
  return {
    times,
    sentPerSecond: perSecond(loaded.filter(({ code }) => code !== 'not-sent')),
    stayedPerSecond: perSecond(loaded.filter(({ leftAtMs }) => leftAtMs === undefined)),
    goodPerSecond: perSecond(good),
    goodP50Ms: percentile(latencies(good), 0.5),
    goodP99Ms: percentile(latencies(good), 0.99),
    refusedP50Ms: percentile(latencies(refused), 0.5),
    refusedP99Ms: percentile(latencies(refused), 0.99),
    codes: countCodes(loaded),
    recoveryMs: recoveryMs(calls, endMs, normalMs),
    sentLateP99Ms: percentile(
      loaded.map(({ lateMs }) => lateMs),
      0.99,
    ),
  };
};

export interface Played {
  readonly function: string;
  /** Callers of the closed loop that finds out what can be done. */
  readonly callers: number;
  readonly notes: boolean;
}

export const runSteps = async (stage: Stage, options: StepOptions, played: Played): Promise<Overload> => {
  const { seed, seconds, times } = options;
  const { function: name, callers, notes } = played;
  const common = { seed, timeoutMs: TIMEOUT_MS, connectionsMax: CONNECTIONS_MAX, from: HERE };
  await closed(stage, name, callers, 1000);
  const capacity = await closed(stage, name, callers, seconds * 1000);
  const light = { functions: [name], perSecond: capacity * LIGHT, leavers: 0 };
  const unloaded = await stage.call({ ...common, streams: [{ ...light, fromMs: 0, toMs: 2000 }] });
  const normalP99Ms = percentile(latencies(unloaded), 0.99);
  const steps: Step[] = [];
  for (const time of times) {
    const endMs = seconds * 1000;
    const load = { functions: [name], perSecond: capacity * time, fromMs: 0, toMs: endMs, leavers: LEAVERS };
    const streams = [load, { ...light, fromMs: endMs, toMs: endMs + RECOVERY_MS }];
    const cpuMs = stage.cpuMs;
    const calls = await stage.call({ ...common, seed: seed + time, streams });
    const cpuMicros = ((stage.cpuMs - cpuMs) * 1000) / calls.length;
    await delay(NOTES_MS);
    const normalMs = NORMAL * normalP99Ms + NORMAL_MORE_MS;
    const wasted = notes ? wastedOf(calls, stage.noted, TIMEOUT_MS) : undefined;
    steps.push({ ...stepOf(time, calls, endMs, normalMs), cpuMicros, wasted });
  }
  return { function: name, capacity, normalP99Ms, steps };
};
