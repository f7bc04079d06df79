/** 10,000 items at once from PHP: one batch on resident workers, against waves of FastCGI requests on an equal pool. */
import { announcing, type Bench, type Section } from '../bench.ts';
import { measureCounted } from '../counted.ts';
import { type Fpm, startFpm } from '../peers/fpm.ts';
import { type GatewayPeer, residentEnv, startGateway } from '../peers/gateway.ts';
import { rowOf, type SectionResult, valuesOf } from '../result.ts';
import { type Contestant, reason, takeTurns } from '../rounds.ts';
import { ECHO } from '../workloads.ts';
import { batchOf, batchTable, TURN_SECONDS, WAVES, warmUp, warmupBatches, wavesOf } from './batch.ts';

const RESIDENT = 'POST /batch, resident workers';
const FPM_ENGINE = 'POST /batch, php-fpm';
const CONTESTANTS = 3;

export const residentBatchSection: Section = {
  name: 'resident-batch',
  about: '10,000 items in one batch on resident workers and on our php-fpm, against waves of FastCGI requests from PHP',
  plannedSeconds: (options, { firstWarmupMs }) =>
    (options.rounds * CONTESTANTS + 2 * warmupBatches(options)) * TURN_SECONDS + (2 * firstWarmupMs) / 1000 + 6,
};

const overGateway = async (
  bench: Bench,
  name: string,
  env: Readonly<Record<string, string>>,
  started: GatewayPeer[],
): Promise<Contestant> => {
  const { life, folder, options } = bench;
  try {
    const gateway = await startGateway(life, folder, { name, workers: options.workers, env });
    started.push(gateway);
    await warmUp(bench, gateway);
    return { name, turn: () => measureCounted(bench, gateway.pids, batchOf(bench, gateway)) };
  } catch (error) {
    return { name, failure: reason(error), turn: async () => ({}) };
  }
};

const overFpm = (bench: Bench, fpm: Fpm): Contestant => ({
  name: WAVES,
  turn: () => measureCounted(bench, [fpm.pid], wavesOf(bench, fpm)),
});

export const runResidentBatch = async (bench: Bench): Promise<SectionResult> => {
  const { rounds, workers } = bench.options;
  const fpm = await startFpm(bench.life, bench.folder, 'resident-batch', workers);
  const started: GatewayPeer[] = [];
  try {
    const contestants = [
      await overGateway(bench, RESIDENT, residentEnv(ECHO.name, workers), started),
      await overGateway(bench, FPM_ENGINE, {}, started),
      overFpm(bench, fpm),
    ];
    const before = announcing(bench, residentBatchSection.name, rounds, TURN_SECONDS);
    const table = batchTable(residentBatchSection.name, await takeTurns(contestants, rounds, before), workers);
    const values = valuesOf(rowOf(table, RESIDENT), 'toWaves');
    const figure = 'a batch of 10,000 on resident workers: items/s to waves of 64';
    return {
      name: residentBatchSection.name,
      tables: [table],
      goals: [{ figure, relation: '≥', limit: 5, values }],
      facts: {},
    };
  } finally {
    for (const gateway of started) await gateway.stop();
    await fpm.running.stop();
  }
};
