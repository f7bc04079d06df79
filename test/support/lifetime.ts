/** How long what a test makes lives, so that nothing outlives it, whether it passes or fails. */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';
import { phpProcesses } from '../../gateway/pool/instance-dir.ts';
import { endGroup } from './php-processes.ts';

/** Takes what is to be done at the end; the newest is done first. */
export type Lifetime = (end: () => void | Promise<void>) => void;

export const thisTest: Lifetime = (end) => onTestFinished(end);

/** For what all tests of a file share. To be called at the top of the file. */
export const wholeFile = (): Lifetime => {
  const ends: (() => void | Promise<void>)[] = [];
  afterAll(async () => {
    const failures: unknown[] = [];
    for (const end of ends.reverse()) {
      try {
        await end();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  });
  return (end) => void ends.push(end);
};

/** A gateway that was killed leaves its php-fpm, whose titles tell the config file and the instance folder. */
const endPhpBelow = (folder: string): void => {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  if (!names.some((name) => name.endsWith('.conf'))) return;
  const instances = names.map((name) => basename(name)).filter((name) => /^\d+-\d+-[0-9a-f]{6}$/.test(name));
  const isOurs = (title: string): boolean =>
    title.includes(`(${folder}/`) || instances.some((instance) => title.includes(`@${instance}`));
  for (const pid of phpProcesses(isOurs)) {
    // A master takes its workers with it; workers without one have to be ended each.
    endGroup(pid);
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended with its group.
    }
  }
};

/** Private, and short: a socket's path has at most 107 bytes. */
export const temporaryFolder = (lifetime: Lifetime = thisTest): string => {
  const folder = mkdtempSync(join(tmpdir(), 'fpmg-'));
  lifetime(() => {
    endPhpBelow(folder);
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  return folder;
};

/** One that PHP's user may write to. */
export const openFolder = (lifetime: Lifetime = thisTest): string => {
  const folder = temporaryFolder(lifetime);
  chmodSync(folder, 0o777);
  return folder;
};
