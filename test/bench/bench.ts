/** What every section works with. */
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Life } from './life.ts';
import { Load } from './load.ts';
import type { Options } from './options.ts';
import type { HttpPeer } from './peers/all.ts';
import { phpFpm } from './peers/fpm.ts';
import type { Progress } from './progress.ts';
import type { Contestant } from './rounds.ts';

/** How long things take: long enough to mean something, or just long enough to see that they run. */
export interface Times {
  /** wrk counts whole seconds. */
  readonly turnSeconds: number;
  readonly warmupMs: number;
  /** Once, before anything of a peer is measured: Node compiles what is hot only after some 20,000 calls. */
  readonly firstWarmupMs: number;
  /** Once for each other workload, which takes other ways through the code. */
  readonly nextWarmupMs: number;
  readonly latencyMs: number;
  readonly poolMs: number;
}

export interface Bench {
  readonly options: Options;
  readonly times: Times;
  readonly life: Life;
  /** PHP's user may read it. */
  readonly folder: string;
  /** The peers' scripts, as copies: PHP's user may not be able to read the repository. */
  readonly root: string;
  readonly load: Load;
  readonly poolClient: string;
  readonly progress: Progress;
  /** Started when first asked for; they stay, and idle. */
  readonly httpPeers: () => Promise<readonly HttpPeer[]>;
}

export interface Section {
  readonly name: string;
  /** For `--list`. */
  readonly about: string;
  readonly plannedSeconds: (options: Options, times: Times) => number;
}

const HERE = import.meta.dirname;

export const timesOf = ({ quick }: Options): Times =>
  quick
    ? { turnSeconds: 1, warmupMs: 150, firstWarmupMs: 600, nextWarmupMs: 0, latencyMs: 1000, poolMs: 400 }
    : { turnSeconds: 3, warmupMs: 500, firstWarmupMs: 12_000, nextWarmupMs: 3000, latencyMs: 4000, poolMs: 2000 };

const compile = async (life: Life, folder: string, name: string): Promise<string> => {
  const program = join(folder, name);
  const args = ['-O2', '-pthread', '-o', program, join(HERE, `${name}.c`)];
  await life.run({ command: 'gcc', args });
  return program;
};

export const setUp = async (
  options: Options,
  life: Life,
  progress: Progress,
  startPeers: (bench: Bench) => Promise<readonly HttpPeer[]>,
): Promise<Bench> => {
  phpFpm();
  const folder = life.folder();
  const root = join(folder, 'root');
  mkdirSync(root);
  cpSync(join(HERE, 'php'), root, { recursive: true });
  const [generator, poolClient] = await Promise.all([
    compile(life, folder, 'open-loop'),
    compile(life, folder, 'pool-client'),
  ]);
  let peers: Promise<readonly HttpPeer[]> | undefined;
  const bench: Bench = {
    options,
    times: timesOf(options),
    life,
    folder,
    root,
    poolClient,
    progress,
    load: new Load(life, folder, generator),
    httpPeers: () => {
      peers ??= startPeers(bench);
      return peers;
    },
  };
  return bench;
};

/** For `takeTurns`: the status line of each turn. */
export const announcing =
  (bench: Bench, section: string, rounds: number, secondsPerTurn: number) =>
  ({ name }: Contestant, round: number): void =>
    bench.progress.step(`${section} · round ${round + 1}/${rounds} · ${name}`, secondsPerTurn);
