/** How many modules take how long to bootstrap, on this machine, under php-fpm with opcache warm. */
import { post } from '../peers/peer.ts';
import { median } from '../statistics.ts';

export interface Bootstrap {
  readonly ms: number;
  /** The same on a quiet machine; on a busy one it is what the bootstrap is, and the other what became of it. */
  readonly cpuMs: number;
  readonly classes: number;
  readonly routes: number;
  readonly phasesMs: Readonly<Record<string, number>>;
}

/** The first of each worker read files that no worker has read before. */
const COLD = 16;
const COUNTED = 25;

/** Asks a php-fpm behind a web server: one request at a time. */
export const measureBootstrap = async (port: number): Promise<Bootstrap> => {
  const measured: Bootstrap[] = [];
  for (let left = COLD + COUNTED; left > 0; left -= 1) {
    const { status, bytes } = await post({ port, paths: ['/measure.php'], body: '{}' });
    if (status !== 200) throw new Error(`the application answered ${status}: ${bytes.toString('utf8', 0, 200)}`);
    measured.push(JSON.parse(bytes.toString()) as Bootstrap);
  }
  const warm = measured.slice(COLD);
  const [first] = warm as [Bootstrap, ...Bootstrap[]];
  const phases = Object.keys(first.phasesMs).map(
    (phase) => [phase, median(warm.map(({ phasesMs }) => phasesMs[phase] ?? Number.NaN))] as const,
  );
  return {
    ...first,
    ms: median(warm.map(({ ms }) => ms)),
    cpuMs: median(warm.map(({ cpuMs }) => cpuMs)),
    phasesMs: Object.fromEntries(phases),
  };
};

/** Bootstrap grows with the modules by as much for each; what does not grow is found with it. */
export interface Sized {
  readonly modules: number;
  readonly cpuMs: number;
}

export const modulesFor = (wantedMs: number, small: Sized, large: Sized): number => {
  const perModuleMs = (large.cpuMs - small.cpuMs) / (large.modules - small.modules);
  if (!(perModuleMs > 0))
    throw new Error(`${large.modules} modules took ${large.cpuMs} ms of CPU, ${small.modules} ${small.cpuMs}`);
  return Math.max(1, Math.round(small.modules + (wantedMs - small.cpuMs) / perModuleMs));
};
