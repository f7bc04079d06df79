/** One turn of the section `load-steps`: a pool whose workers follow the load, and what is seen of it. */
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../support/until.ts';
import type { Bench } from './bench.ts';
import { configOf, contractOf, generateProject } from './generated.ts';
import type { GeneratorResult } from './load.ts';
import type { GatewayPeer } from './peers/gateway.ts';
import { onePool, type Step } from './status.ts';
import { type Moment, momentsOf, stepsOf, type Timeline } from './timeline.ts';
import type { Workload } from './workloads.ts';

export const WORKERS = 4;
export const IN_FLIGHT = 32;
const WORK_MS = 20;
const LOOK_EVERY_MS = 100;
/** An idle worker is let go after this. */
const IDLE_MS = 1000;
const REST_MAX_MS = 60_000;
export const stepsIn = ({ quick }: Bench['options']): number => (quick ? 2 : 5);
export const loadMs = ({ quick }: Bench['options']): number => (quick ? 1000 : 3000);
export type Engine = 'fpm' | 'resident';

export interface Variant {
  readonly name: string;
  readonly engine: Engine;
  /** `WORKERS`: they are there all the time. */
  readonly minWorkers: number;
}

export const WORK: Workload = {
  name: 'work',
  title: `a function that waits for ${WORK_MS} ms`,
  body: '{}',
  answer: { json: { done: true } },
};

export const projectFor = (parent: string, { engine, minWorkers }: Variant): string => {
  const isFixed = minWorkers === WORKERS;
  const range = isFixed ? { workers: WORKERS } : { minWorkers, maxWorkers: WORKERS };
  const pool = {
    ...(engine === 'fpm' ? range : {}),
    ...(isFixed ? {} : { sleepAfterMs: IDLE_MS, idleMs: IDLE_MS }),
    resident: engine === 'resident' ? range : {},
  };
  return generateProject({
    parent,
    name: 'steps',
    files: {
      'schemas/work.ts': contractOf(
        `engine: '${engine}', input: z.strictObject({}), output: z.strictObject({ done: z.boolean() })`,
      ),
      'functions/work.php': `<?php return static function (): array { usleep(${WORK_MS * 1000}); return ['done' => true]; };`,
      'deploy/gateway.config.ts': configOf({ pools: { default: pool } }),
    },
  });
};

/** Asks now and then, until it is told to stop: the status keeps the last steps alone. */
const watch = (gateway: GatewayPeer, startedMs: number): (() => Promise<Moment[]>) => {
  const steps = new Map<string, Step>();
  const look = async (): Promise<number> => {
    const pool = await onePool(gateway);
    for (const step of pool.steps) steps.set(`${step.at} ${step.to}`, step);
    return pool.workers;
  };
  let isOver = false;
  const watching = (async (): Promise<number> => {
    const workers = await look();
    while (!isOver) {
      await delay(LOOK_EVERY_MS);
      await look();
    }
    return workers;
  })();
  return async () => {
    isOver = true;
    return momentsOf(await watching, [...steps.values()], performance.timeOrigin + startedMs);
  };
};

export interface Turn {
  readonly values: Readonly<Record<string, number>>;
  readonly timeline: Timeline;
}

export const restOf = async (gateway: GatewayPeer, workers: number): Promise<number> => {
  const startedMs = performance.now();
  await until(`${workers} workers are left`, async () => (await onePool(gateway)).workers === workers, REST_MAX_MS);
  return performance.now() - startedMs;
};

const valuesFor = (results: readonly GeneratorResult[], restMs: readonly number[]): Record<string, number> => {
  const sum = (value: (result: GeneratorResult) => number): number =>
    results.reduce((total, result) => total + value(result), 0);
  return {
    calls: sum(({ served, failed, unanswered }) => served + failed + unanswered),
    failed: sum(({ failed, unanswered }) => failed + unanswered),
    perSecond: sum(({ perSecond }) => perSecond) / results.length,
    p99Ms: Math.max(...results.map(({ p99Ms }) => p99Ms)),
    maxMs: Math.max(...results.map(({ maxMs }) => maxMs)),
    restMs: restMs.reduce((total, ms) => total + ms, 0) / restMs.length,
  };
};

export const turnOf = async (bench: Bench, gateway: GatewayPeer, { name, minWorkers }: Variant): Promise<Turn> => {
  const startedMs = performance.now();
  const stopWatch = watch(gateway, startedMs);
  const loads: (readonly [number, number])[] = [];
  const results: GeneratorResult[] = [];
  const restMs: number[] = [];
  let moments: Moment[] = [];
  try {
    while (results.length < stepsIn(bench.options)) {
      const fromMs = performance.now() - startedMs;
      const durationMs = loadMs(bench.options);
      results.push(await bench.load.generate(gateway.target(WORK), { connections: IN_FLIGHT, durationMs }));
      loads.push([fromMs, performance.now() - startedMs]);
      restMs.push(await restOf(gateway, minWorkers));
    }
  } finally {
    moments = await stopWatch();
  }
  const timeline = { name, moments, loads, endMs: performance.now() - startedMs };
  return { values: { ...valuesFor(results, restMs), ...stepsOf(moments) }, timeline };
};
