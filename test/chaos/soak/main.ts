/** `npm run soak`: a gateway under mixed load and random faults; nothing may grow, stay behind or be answered wrongly. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Lifetime } from '../../support/lifetime.ts';
import { functionsProject } from '../../support/project.ts';
import { until } from '../../support/until.ts';
import { Random } from '../fuzz/random.ts';
import type { CommandResult } from '../result.ts';
import { caller, SOAK_FUNCTIONS, type Told } from './callers.ts';
import { busyOf, type Sample, SoakGateway } from './child.ts';
import { type Fault, faulty, isExplained } from './faults.ts';
import { slopePerHour } from './slope.ts';

export interface SoakRun {
  readonly minutes: number;
  readonly seed: number;
  readonly lifetime: Lifetime;
  readonly say: (line: string) => void;
  readonly show: (text: string) => void;
}

const CALLERS = 4;
const SAMPLE_MS = 5000;
const SETTLED_MAX_MS = 60_000;
const MB = 1_048_576;
/** Of the second half, in MB an hour: half a MB is the goal of a day; over minutes samples differ by as much. */
const SLOPE_MAX = 10;
const UNEXPLAINED_SHOWN = 10;

const count = (told: Record<string, number>, key: string): void => {
  told[key] = (told[key] ?? 0) + 1;
};

interface Watched {
  readonly calls: () => number;
  readonly faults: readonly Fault[];
  readonly samples: readonly Sample[];
  readonly wrong: readonly Told[];
  readonly unexplained: readonly Told[];
  readonly byFault: Readonly<Record<string, number>>;
}

/** Load, faults and samples until the time is over. */
const soakFor = async (gateway: SoakGateway, { minutes, seed, show }: SoakRun): Promise<Watched> => {
  const startedMs = performance.now();
  const endMs = startedMs + minutes * 60_000;
  const isOver = (): boolean => performance.now() >= endMs || gateway.hasEnded;
  const [faults, samples, wrong, failed]: [Fault[], Sample[], Told[], Told[]] = [[], [], [], []];
  let calls = 0;
  const told = (each: Told): void => {
    calls += 1;
    if (each.code === 'wrong') wrong.push(each);
    else if (each.code !== 'ok') failed.push(each);
  };
  const callers = Array.from({ length: CALLERS }, (_, at) =>
    caller(gateway.url, new Random(seed + at + 1), isOver, told),
  );
  const mayReload = (): boolean => performance.now() < startedMs + (endMs - startedMs) / 2;
  const faultsEnd = faulty(gateway, new Random(seed), { isOver, mayReload, faults });
  while (!isOver()) {
    samples.push(await gateway.sample());
    const { heapUsed, descriptors } = samples.at(-1) ?? { heapUsed: 0, descriptors: 0 };
    const left = Math.max(0, Math.round((endMs - performance.now()) / 60_000));
    show(
      `${calls} calls, ${faults.length} faults, heap ${Math.round(heapUsed / MB)} MB, ${descriptors} descriptors · ${left} min left`,
    );
    await pause(Math.min(SAMPLE_MS, Math.max(0, endMs - performance.now())));
  }
  await Promise.all([...callers, faultsEnd]);
  const byFault: Record<string, number> = {};
  for (const { code } of failed) count(byFault, code);
  return {
    calls: () => calls,
    faults,
    samples,
    wrong,
    unexplained: failed.filter((each) => !isExplained(each, faults)),
    byFault,
  };
};

const settled = async (gateway: SoakGateway): Promise<string | undefined> => {
  let busy: string | undefined;
  const isIdle = async (): Promise<boolean> => {
    busy = busyOf(await gateway.pools());
    return busy === undefined;
  };
  return await until('all slots are free', isIdle, SETTLED_MAX_MS).then(
    () => undefined,
    () => busy,
  );
};

/** Descriptors as before; else how many there are. */
const descriptorsBack = async (gateway: SoakGateway, before: number): Promise<number> => {
  let now = before;
  const isBack = async (): Promise<boolean> => {
    now = (await gateway.sample()).descriptors;
    return now === before;
  };
  await until('descriptors are as before', isBack, SETTLED_MAX_MS).catch(() => {});
  return now;
};

export const runSoak = async (run: SoakRun): Promise<CommandResult> => {
  const { minutes, seed, lifetime, say } = run;
  const startedMs = performance.now();
  const gateway = await SoakGateway.start(functionsProject(SOAK_FUNCTIONS, lifetime), lifetime);
  // Everything that is loaded once is loaded, and every worker is there.
  await soakFor(gateway, { ...run, minutes: 0.1, show: () => {} });
  const busyBefore = await settled(gateway);
  const before = await gateway.sample();
  const { calls, faults, samples, wrong, unexplained, byFault } = await soakFor(gateway, run);
  const busyAfter = gateway.hasEnded ? 'the gateway has ended' : await settled(gateway);
  const descriptors = gateway.hasEnded ? -1 : await descriptorsBack(gateway, before.descriptors);
  const half = samples.slice(Math.floor(samples.length / 2));
  const slope = slopePerHour(half.map(({ atMs, heapUsed }) => ({ atMs, value: heapUsed / MB })));
  const inflicted: Record<string, number> = {};
  for (const { kind } of faults) count(inflicted, kind);
  const promises: readonly (readonly [string, boolean])[] = [
    [`wrong answers: ${wrong.length}`, wrong.length === 0],
    [`failed calls that no fault explains: ${unexplained.length}`, unexplained.length === 0],
    [`slots: ${busyAfter ?? 'all free'}`, (busyBefore ?? busyAfter) === undefined],
    [`descriptors: ${descriptors}, ${before.descriptors} before`, descriptors === before.descriptors],
    [`unhandled rejections: ${gateway.unhandled.length}`, gateway.unhandled.length === 0],
    [`heap slope of the second half: ${slope.toFixed(2)} MB/h`, minutes < 10 || slope <= SLOPE_MAX],
  ];
  for (const [line, held] of promises) say(`${held ? '✓' : '✗'} ${line}`);
  for (const { kind, code, detail } of [...wrong, ...unexplained].slice(0, UNEXPLAINED_SHOWN))
    say(`  ${kind}: ${code} ${detail.replaceAll(/\s+/g, ' ')}`);
  const last = samples.at(-1);
  return {
    command: 'soak',
    passed: promises.filter(([, held]) => held).length,
    of: promises.length,
    seed,
    seconds: (performance.now() - startedMs) / 1000,
    figures: {
      minutes,
      calls: calls(),
      faults: Object.entries(inflicted)
        .map(([kind, times]) => `${kind} ${times}`)
        .join(', '),
      'failed by faults':
        Object.entries(byFault)
          .map(([code, times]) => `${code} ${times}`)
          .join(', ') || 0,
      'heap slope': `${slope.toFixed(2)} MB/h`,
      heap: `${((last?.heapUsed ?? 0) / MB).toFixed(1)} MB`,
      memory: `${Math.round((last?.rss ?? 0) / MB)} MB`,
    },
  };
};
