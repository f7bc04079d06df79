/** The package as it is published: compiled once, for tests of what users get. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './doc-blocks.ts';
import type { Lifetime } from './lifetime.ts';
import { writeProject } from './project.ts';

/** Resolves to the folder that is `dist/` to users; its dependencies resolve from there. */
export const buildPackage = async (lifetime: Lifetime): Promise<string> => {
  const dist = join(writeProject({ 'package.json': '{"type":"module"}' }, lifetime), 'dist');
  const tsc = join(root, 'node_modules/.bin/tsc');
  await promisify(execFile)(tsc, ['-p', join(root, 'tsconfig.build.json'), '--outDir', dist]);
  return dist;
};
