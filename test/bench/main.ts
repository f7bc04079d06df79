/** `npm run bench`: measures everything on this machine, one after the other, and prints tables. */
import { readFileSync, writeFileSync } from 'node:fs';
import { styleText } from 'node:util';
import { type Bench, type Section, setUp, timesOf } from './bench.ts';
import { othersShare } from './cpu.ts';
import { Life } from './life.ts';
import { machine, versions } from './machine.ts';
import { type Options, readOptions, USAGE, UsageError } from './options.ts';
import { startHttpPeers } from './peers/all.ts';
import { Progress } from './progress.ts';
import { type Paint, plain, renderRun } from './report.ts';
import { parseRun, type RunResult, type SectionResult } from './result.ts';
import { reason } from './rounds.ts';
import { applicationSection, runApplication } from './sections/application.ts';
import { batchSection, runBatch } from './sections/batch.ts';
import { batchDelaySection, runBatchDelay } from './sections/batch-delay.ts';
import { batchMemorySection, runBatchMemory } from './sections/batch-memory.ts';
import { cacheSection, runCache } from './sections/cache.ts';
import { clientSection, runClient } from './sections/client.ts';
import { coldStartSection, runColdStart } from './sections/cold-start.ts';
import { fanOutSection, runFanOut } from './sections/fan-out.ts';
import { fibersSection, runFibers } from './sections/fibers.ts';
import { fibersMemorySection, runFibersMemory } from './sections/fibers-memory.ts';
import { functionsSection, runFunctions } from './sections/functions.ts';
import { httpSection, megabyteSection, runHttp, runMegabyte } from './sections/http.ts';
import { inflightSection, runInflight } from './sections/inflight.ts';
import { latencySection, runLatency } from './sections/latency.ts';
import { loadStepsSection, runLoadSteps } from './sections/load-steps.ts';
import { poolSection, runPool } from './sections/pool.ts';
import { residentSection, runResident } from './sections/resident.ts';
import { residentBatchSection, runResidentBatch } from './sections/resident-batch.ts';
import { runSentinel, sentinelSection } from './sections/sentinel.ts';
import { runSleeping, sleepingSection } from './sections/sleeping.ts';
import { runTracing, tracingSection } from './sections/tracing.ts';
import { drawTimelines } from './steps-svg.ts';
import { drawRun } from './svg.ts';

const SECTIONS: readonly (readonly [Section, (bench: Bench) => Promise<SectionResult>])[] = [
  [httpSection, runHttp],
  [megabyteSection, runMegabyte],
  [latencySection, runLatency],
  [poolSection, runPool],
  [tracingSection, runTracing],
  [inflightSection, runInflight],
  [functionsSection, runFunctions],
  [batchSection, runBatch],
  [clientSection, runClient],
  [batchMemorySection, runBatchMemory],
  [batchDelaySection, runBatchDelay],
  [fanOutSection, runFanOut],
  [residentSection, runResident],
  [applicationSection, runApplication],
  [residentBatchSection, runResidentBatch],
  [sentinelSection, runSentinel],
  [cacheSection, runCache],
  [fibersSection, runFibers],
  [fibersMemorySection, runFibersMemory],
  [coldStartSection, runColdStart],
  [sleepingSection, runSleeping],
  [loadStepsSection, runLoadSteps],
];

const paint: Paint = process.stdout.isTTY ? (style, text) => styleText(style, text) : plain;

const chosenOf = ({ sections }: Options): typeof SECTIONS =>
  SECTIONS.filter(([{ name }]) => (sections as readonly string[]).includes(name));

const plannedSeconds = (options: Options): number =>
  chosenOf(options).reduce((sum, [section]) => sum + section.plannedSeconds(options, timesOf(options)), 0);

/** A section that fails is told, and the others still run. */
const measure = async (
  options: Options,
  life: Life,
  progress: Progress,
): Promise<{ run: RunResult; failed: boolean }> => {
  const startedMs = performance.now();
  const about = machine();
  const bench = await setUp(options, life, progress, startHttpPeers);
  const sections: SectionResult[] = [];
  let failed = false;
  for (const [{ name }, runSection] of chosenOf(options)) {
    try {
      const share = othersShare();
      const section = await runSection(bench);
      const others = `${Math.round(share() * 100)} %`;
      sections.push({ ...section, facts: { ...section.facts, 'CPU taken by others': others } });
    } catch (error) {
      failed = true;
      if (life.isOver) break;
      progress.clear();
      console.error(`bench: ${name} failed: ${reason(error)}`);
    }
  }
  progress.clear();
  const { quick, rounds, workers } = options;
  const run: RunResult = {
    date: new Date().toISOString(),
    seconds: (performance.now() - startedMs) / 1000,
    machine: about,
    versions: versions(),
    settings: { rounds, workers, quick, ...timesOf(options) },
    sections,
  };
  // A peer that was not measured did not run either.
  failed ||= sections.some(({ tables }) => tables.some(({ rows }) => rows.some((row) => row.failure !== undefined)));
  return { run, failed };
};

const list = (): string => SECTIONS.map(([{ name, about }]) => `${name.padEnd(14)} ${about}`).join('\n');

/** A run of other sections has bars to show. */
const draw = (run: RunResult): string =>
  run.sections.some(({ name }) => ['http', 'latency'].includes(name)) ? drawRun(run) : drawTimelines(run);

const measureOnce = async (options: Options): Promise<{ run: RunResult; failed: boolean }> => {
  const life = new Life();
  const progress = new Progress(plannedSeconds(options));
  const onSignal = (signal: NodeJS.Signals): void => {
    progress.close();
    process.stderr.write(`bench: ${signal}: ending what was started\n`);
    void life.endAll().finally(() => process.exit(130));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  try {
    return await measure(options, life, progress);
  } finally {
    await life.endAll();
  }
};

const main = async (): Promise<void> => {
  const options = readOptions(process.argv.slice(2));
  if (options.help) return console.log(USAGE);
  if (options.list) return console.log(list());
  const { from, json, svg } = options;
  const earlier = from === undefined ? undefined : { run: parseRun(readFileSync(from, 'utf8')), failed: false };
  const { run, failed } = earlier ?? (await measureOnce(options));
  console.log(renderRun(run, paint));
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(run, undefined, 1)}\n`);
  if (svg !== undefined) writeFileSync(svg, draw(run));
  process.exitCode = failed ? 1 : 0;
};

main().catch((error: unknown) => {
  console.error(error instanceof UsageError ? `bench: ${error.message}\n\n${USAGE}` : `bench: ${reason(error)}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
