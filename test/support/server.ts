/** A real server on a free port, ended with the test, and what tests ask of it. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';
import { type Log, silentLog } from '../../gateway/log.ts';
import { type Server, startServer } from '../../gateway/server.ts';
import type { TraceListener } from '../../gateway/trace/tracer.ts';

/** Short, because a socket's path has at most 107 bytes; private, so that runs do not meet. */
export const runtimeDir = (finish: (end: () => void | Promise<void>) => void = onTestFinished): string => {
  const folder = mkdtempSync(join(tmpdir(), 'fpmg-'));
  finish(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

export interface TestServerOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly log?: Log;
  readonly onTrace?: TraceListener;
  /** When to end it; default: with the test. */
  readonly finish?: (end: () => void | Promise<void>) => void;
}

export const startTestServer = async (project: string, options: TestServerOptions = {}): Promise<Server> => {
  const { env = {}, log = silentLog, onTrace, finish = onTestFinished } = options;
  const folder = runtimeDir(finish);
  const ports = { FPMG_HTTP__PORT: '0', FPMG_ADMIN__PORT: '0', FPMG_RUNTIME_DIR: folder };
  const server = await startServer({ project, env: { ...ports, ...env }, log, onTrace });
  finish(async () => await server.destroy());
  return server;
};

/** For what all tests of a file share: ends it after the last of them, newest first. */
export const finishAfterAll = (): ((end: () => void | Promise<void>) => void) => {
  const ends: (() => void | Promise<void>)[] = [];
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  });
  return (end) => void ends.push(end);
};

const REPOSITORY = join(import.meta.dirname, '..', '..');

/** Like `functionsProject` and `writeProject`, for a lifetime of one's own. */
export const writeSharedProject = (
  files: Readonly<Record<string, string>>,
  finish: (end: () => void | Promise<void>) => void,
): string => {
  mkdirSync(join(REPOSITORY, 'test', '.tmp'), { recursive: true });
  const folder = mkdtempSync(join(REPOSITORY, 'test', '.tmp', 's-'));
  finish(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
};

/** Counts the runs of handlers, in a file that PHP's user can write. Also a gate: handlers may wait until it exists. */
export class Runs {
  readonly file: string;

  constructor(finish: (end: () => void | Promise<void>) => void = onTestFinished) {
    const folder = runtimeDir(finish);
    chmodSync(folder, 0o777);
    this.file = join(folder, 'runs');
  }

  /** Handler source that notes that it ran, then goes on with `body`. */
  marking(body: string): string {
    return `file_put_contents('${this.file}', 'x', FILE_APPEND | LOCK_EX); ${body}`;
  }

  get count(): number {
    return existsSync(this.file) ? readFileSync(this.file, 'utf8').length : 0;
  }

  open(): void {
    writeFileSync(this.file, '');
  }

  clear(): void {
    rmSync(this.file, { force: true });
  }
}
