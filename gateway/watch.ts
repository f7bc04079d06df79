/** `dev`: a change below the project makes a new release, one at a time. */
import { relative } from 'node:path';
import { watch } from 'chokidar';
import type { Server } from './server.ts';

const SETTLE_MS = 100;
const WATCHED = /\.(?:php|ts|mts|js|mjs|json)$/;
const IGNORED = /(?:^|\/)(?:node_modules|\.git|dist|coverage)(?:\/|$)/;

export interface ReloadEvents {
  readonly reloaded: (files: readonly string[], ms: number) => void;
  readonly failed: (files: readonly string[], error: unknown) => void;
}

/** Reloads on changes below the project, one reload at a time. Resolves, once none is missed, with what ends it. */
export const watchProject = async (
  server: Server,
  project: string,
  events: ReloadEvents,
): Promise<() => Promise<void>> => {
  const changed = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let running = Promise.resolve();
  const reload = async (): Promise<void> => {
    const files = [...changed];
    changed.clear();
    if (files.length === 0) return;
    const startedMs = performance.now();
    try {
      await server.reload();
      events.reloaded(files, performance.now() - startedMs);
    } catch (error) {
      events.failed(files, error);
    }
  };
  const watcher = watch(project, {
    ignoreInitial: true,
    ignored: (path, stats) => {
      const below = relative(project, path);
      return IGNORED.test(below) || (stats?.isFile() === true && !WATCHED.test(below));
    },
  });
  watcher.on('error', (error) => events.failed([], error));
  watcher.on('all', (_event, path) => {
    changed.add(relative(project, path));
    clearTimeout(timer);
    // Editors write a file in several steps.
    timer = setTimeout(() => {
      running = running.then(reload);
    }, SETTLE_MS);
  });
  await new Promise<void>((resolve) => watcher.once('ready', () => resolve()));
  return async () => {
    clearTimeout(timer);
    await watcher.close();
    await running;
  };
};
