/** The package as it is installed: compiled into a folder of the run, with the packages of the repository. */
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { REPOSITORY } from './peers/gateway.ts';

export interface Built {
  /** What projects link as `fpm-gateway`. */
  readonly folder: string;
  /** What Node runs. */
  readonly program: readonly string[];
}

/** As `npm run build` does, elsewhere: the repository's own `dist` stays as it is. */
export const build = async ({ life, folder: parent, progress }: Bench): Promise<Built> => {
  const folder = join(parent, 'package');
  const dist = join(folder, 'dist');
  progress.step('compiling the package', 20);
  mkdirSync(folder);
  cpSync(join(REPOSITORY, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
  const tsc = join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc');
  await life.run({
    command: process.execPath,
    args: [tsc, '-p', join(REPOSITORY, 'tsconfig.build.json'), '--outDir', dist],
  });
  cpSync(join(REPOSITORY, 'gateway', 'php'), join(dist, 'php'), { recursive: true });
  cpSync(join(REPOSITORY, 'gateway', 'http', 'docs'), join(dist, 'http', 'docs'), { recursive: true });
  return { folder, program: [join(dist, 'cli', 'main.js')] };
};
