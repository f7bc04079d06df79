/**
 * `npm run chaos -- reload`: releases, masters and whole gateways are replaced under load, some releases broken on purpose.
 * Not one call may fail, be reset, or be answered by two versions.
 */
import { availableParallelism } from 'node:os';
import { Random } from '../fuzz/random.ts';
import { ChaosGateway } from './gateway.ts';
import { type LoadReport, SteadyLoad } from './load.ts';
import { Site } from './site.ts';

export interface ReloadOptions {
  readonly seed: number;
  /** Of releases; every third is broken. */
  readonly reloads: number;
  readonly masterKills: number;
  readonly restarts: number;
  /** Of what the machine can do, 0 to 1. */
  readonly load: number;
  /** Settings of the gateway besides those that the run needs. */
  readonly env: Readonly<Record<string, string>>;
  readonly onProgress: (done: number, all: number, what: string) => void;
}

export interface ReloadReport extends LoadReport {
  readonly seed: number;
  readonly reloads: number;
  readonly refused: number;
  readonly masterKills: number;
  readonly restarts: number;
  readonly callsPerSecond: number;
  readonly capacityPerSecond: number;
  /** Steps that did not do what they should, in words. */
  readonly wrong: readonly string[];
}

type Step = 'reload' | 'broken' | 'kill' | 'restart';

const CONNECTIONS = 8;
const CAPACITY_MS = 2000;

const stepsOf = ({ reloads, masterKills, restarts, seed }: ReloadOptions): Step[] => {
  const broken = Math.floor(reloads / 3);
  const steps: Step[] = [
    ...Array<Step>(reloads - broken).fill('reload'),
    ...Array<Step>(broken).fill('broken'),
    ...Array<Step>(masterKills).fill('kill'),
    ...Array<Step>(restarts).fill('restart'),
  ];
  const random = new Random(seed);
  for (let at = steps.length - 1; at > 0; at -= 1) {
    const other = random.below(at + 1);
    [steps[at], steps[other]] = [steps[other] as Step, steps[at] as Step];
  }
  return steps;
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const measureCapacity = async (url: string): Promise<number> => {
  const load = new SteadyLoad(url, CONNECTIONS);
  load.start(CONNECTIONS, 0);
  await pause(CAPACITY_MS);
  const calls = load.calls;
  await load.stop();
  return (calls * 1000) / CAPACITY_MS;
};

const killMaster = async (gateway: ChaosGateway): Promise<string | undefined> => {
  const masterOf = async (): Promise<number | undefined> =>
    (await gateway.pools()).find(({ engine }) => engine === 'fpm')?.masterPid;
  const before = await masterOf();
  if (before === undefined) return 'there was no master to kill';
  process.kill(before, 'SIGKILL');
  for (let tries = 0; tries < 1000; tries += 1) {
    const now = await masterOf();
    if (now !== undefined && now !== before) return undefined;
    await pause(20);
  }
  return 'no other master came within 20 s';
};

/** What went wrong, or nothing. */
const take = async (step: Step, gateway: ChaosGateway, site: Site, number: number): Promise<string | undefined> => {
  if (step === 'kill') return await killMaster(gateway);
  if (step === 'restart') {
    await gateway.handOver();
    return undefined;
  }
  site.deploy(number, step === 'broken' ? number : undefined);
  const status = await gateway.reload();
  if (step === 'reload') return status === 200 ? undefined : `reload ${number} was answered ${status}`;
  // The next restart would meet it: what is deployed works, as people would see to.
  site.deploy(number - 1, undefined);
  return status === 422 ? undefined : `the broken release ${number} was answered ${status}`;
};

export const runReload = async (options: ReloadOptions): Promise<ReloadReport> => {
  const { seed, reloads, masterKills, restarts, onProgress } = options;
  const site = new Site();
  const workers = String(2 * Math.max(2, availableParallelism()));
  const env = {
    FPMG_HTTP__PORT: '0',
    FPMG_ADMIN__PORT: '0',
    FPMG_LOG__LEVEL: 'warn',
    FPMG_POOLS__DEFAULT__WORKERS: workers,
    // Short, so that most replaced releases end while the run goes on.
    FPMG_RELOAD__WATCH_MS: '100',
    ...options.env,
  };
  const gateway = await ChaosGateway.start(site.current, env);
  try {
    const capacityPerSecond = await measureCapacity(gateway.url);
    const load = new SteadyLoad(gateway.url, CONNECTIONS);
    load.start(CONNECTIONS, (1000 * CONNECTIONS) / (capacityPerSecond * options.load));
    const startedMs = performance.now();
    const steps = stepsOf(options);
    const wrong: string[] = [];
    for (const [at, step] of steps.entries()) {
      const failedBefore = load.failed;
      const problem = await take(step, gateway, site, at + 1);
      if (problem !== undefined) wrong.push(problem);
      if (load.failed > failedBefore)
        wrong.push(`${load.failed - failedBefore} calls failed in step ${at + 1}: ${step}`);
      onProgress(at + 1, steps.length, step);
    }
    const seconds = (performance.now() - startedMs) / 1000;
    const report = await load.stop();
    const refused = Math.floor(reloads / 3);
    const callsPerSecond = report.calls / seconds;
    return { ...report, seed, reloads, refused, masterKills, restarts, callsPerSecond, capacityPerSecond, wrong };
  } finally {
    await gateway.stop();
    site.remove();
  }
};
