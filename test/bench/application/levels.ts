/** Applications of a wanted bootstrap: two sizes tell what a module takes, and each guess is measured. */
import type { Bench } from '../bench.ts';
import { measureBootstrap, modulesFor, type Sized } from './calibrate.ts';
import { NEW_CONNECTIONS, nginxFor } from './peers.ts';
import { type ApplicationProject, makeProject } from './project.ts';

const CALIBRATION_MODULES = [10, 60] as const;
const MISSED_MAX = 0.1;

const sized = async (bench: Bench, project: ApplicationProject): Promise<Sized> => {
  const nginx = await nginxFor(bench, project, NEW_CONNECTIONS);
  const { cpuMs } = await measureBootstrap(nginx.port);
  await nginx.stop();
  return { modules: project.modules, cpuMs };
};

export const calibrate = async (bench: Bench): Promise<(wantedMs: number) => number> => {
  bench.progress.step('application · calibrating', 10);
  const measured: Sized[] = [];
  for (const modules of CALIBRATION_MODULES) measured.push(await sized(bench, await makeProject(bench, modules)));
  const [small, large] = measured;
  if (small === undefined || large === undefined) throw new Error('nothing was measured');
  return (wantedMs) => modulesFor(wantedMs, small, large);
};

/** As many modules as take that long: where the first guess is off by more than a tenth, there is another. */
export const projectOf = async (bench: Bench, wantedMs: number, modules: number): Promise<ApplicationProject> => {
  const project = await makeProject(bench, modules);
  const { cpuMs } = await sized(bench, project);
  const better = Math.max(1, Math.round((modules * wantedMs) / cpuMs));
  const isOff = Math.abs(cpuMs / wantedMs - 1) > MISSED_MAX && better !== modules;
  return isOff ? await makeProject(bench, better) : project;
};
