/** `fpm-gateway start` and `dev`: the server with its banner, logs and signals. */
import { enableCompileCache, flushCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import type { Debugging } from '../debug/debugging.ts';
import type { DebugOptions } from '../debug/options.ts';
import type { Log } from '../log.ts';
import { giveBackMemory } from '../quiet.ts';
import { type Server, startServer } from '../server.ts';
import { forgetSockets, inheritedSockets, takesOver } from '../sockets.ts';
import { StartupError, type StartupProblem } from '../startup.ts';
import { renderTrace } from '../trace/tree.ts';
import { VERSION } from '../version.ts';
import { within } from '../within.ts';
import { tryLines } from './curl.ts';
import { notifySystemd } from './notify.ts';
import { pidFile } from './pid-file.ts';
import { findPredecessor } from './predecessor.ts';
import { onSignals } from './signals.ts';
import { describeProblems, failCommand, isTerminal, paint, say, table } from './terminal.ts';

export interface StartOptions {
  readonly project: string;
  readonly dev: boolean;
  readonly json: boolean;
  readonly pidFile: string | undefined;
  /** `dev --xdebug`. */
  readonly debug: DebugOptions | undefined;
}

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent'];

interface ProcessLog {
  readonly logger: Logger;
  /** Writes what waits, for at most `LOG_END_MS`, and lets the process end. */
  end(): Promise<void>;
}

const LOG_END_MS = 1000;

const readableLog = async (level: string): Promise<ProcessLog> => {
  const { default: pretty } = await import('pino-pretty');
  const colorize = process.env.NO_COLOR === undefined;
  const stream = pretty({ singleLine: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss', colorize });
  return { logger: pino({ level, base: null }, stream), end: async () => {} };
};

/** Asynchronous, and bounded: a pipe that nobody reads stops no call, and not the end of the process either. */
const jsonLog = (level: string): ProcessLog => {
  const options = { dest: 1, sync: false, minLength: 4096, maxLength: 8 * 1_048_576, periodicFlush: 200 };
  const stream = pino.destination(options);
  stream.on('error', () => {});
  const flush = (): Promise<void> => new Promise((resolve) => stream.flush(() => resolve()));
  const end = async (): Promise<void> => {
    // Twice: where a write is under way, the first resolves when that is done, with later lines still unwritten.
    await within(flush().then(flush), LOG_END_MS);
    // Else it would flush in the exit handler, and wait there for a reader that does not come.
    stream.destroy();
  };
  return { logger: pino({ level, base: null }, stream), end };
};

/** JSON lines when piped or asked for, one readable line each on a terminal. */
const createLog = async (level: string, json: boolean): Promise<ProcessLog> =>
  isTerminal(process.stdout) && !json ? await readableLog(level) : jsonLog(level);

/** In `dev` the tree of a call says what its lines would: they are known by their call id. */
const quieter = (log: Log): Log => ({
  debug: () => {},
  info: () => {},
  warn: (details, message) => ('callId' in details ? undefined : log.warn(details, message)),
  error: (details, message) => ('callId' in details ? undefined : log.error(details, message)),
});

const banner = (server: Server, options: StartOptions, ms: number, debugging: Debugging | undefined): string => {
  const { url, adminUrl, gateway } = server;
  const title = (text: string): string => paint(process.stdout, 'bold', text);
  const dim = (text: string): string => paint(process.stdout, 'dim', text);
  const functions = [...gateway.functions.values()].map((fn) => [
    fn.name,
    fn.pool,
    fn.methods.join(' '),
    fn.summary ?? '',
  ]);
  const pools = gateway
    .pools()
    .map((pool) => [
      pool.name,
      pool.minWorkers === pool.maxWorkers
        ? `${pool.maxWorkers} workers`
        : `${pool.minWorkers} to ${pool.maxWorkers} workers`,
      `PHP ${pool.phpVersion ?? '?'}`,
      pool.concurrent ? 'concurrent' : pool.engine === 'resident' ? 'resident' : pool.kind,
    ]);
  const warnings = gateway.warnings.map(
    (w) => `${paint(process.stdout, 'yellow', '!')} ${w.file} · ${w.property}: ${w.detail}`,
  );
  const indent = (lines: readonly string[]): string[] => lines.map((line) => `    ${line}`);
  return [
    ...warnings,
    '',
    `  ${paint(process.stdout, 'green', '●')} ${title('fpm-gateway')} ${VERSION} ${options.dev ? 'dev ' : ''}ready in ${Math.round(ms)} ms`,
    '',
    `  ${title('HTTP')}       ${paint(process.stdout, 'cyan', url)}`,
    ...(adminUrl === undefined
      ? []
      : [`  ${title('Admin')}      ${paint(process.stdout, 'cyan', adminUrl)} ${dim('/traces/{id}, /admin/pools')}`]),
    ...(debugging === undefined ? [] : [`  ${title('Xdebug')}     ${debugging.summary}`]),
    '',
    `  ${title('Functions')}`,
    ...indent(table(functions)),
    '',
    `  ${title('Pools')}`,
    ...indent(table(pools)),
    '',
    `  ${title('Try')}`,
    ...indent(tryLines(url, [...gateway.functions.values()])),
    '',
    `  ${dim(options.dev ? 'Changes of contracts, handlers and config load by themselves. Ctrl-C stops.' : 'Ctrl-C stops.')}`,
    '',
  ].join('\n');
};

const announce = (server: Server, options: StartOptions, ms: number, debugging: Debugging | undefined): void => {
  if (!options.json) {
    say(banner(server, options, ms, debugging));
    return;
  }
  const { url, adminUrl, gateway } = server;
  const functions = [...gateway.functions.keys()];
  const xdebug = debugging?.summary;
  say(JSON.stringify({ event: 'ready', pid: process.pid, url, adminUrl, functions, pools: gateway.pools(), xdebug }));
};

const openDebugging = async ({ debug, project, json }: StartOptions): Promise<Debugging | undefined> => {
  if (debug === undefined) return undefined;
  const tell = (line: string): void => {
    if (json) say(JSON.stringify({ event: 'xdebug', line }));
    else say(`${paint(process.stdout, 'yellow', '!')} ${line}`);
  };
  const { Debugging } = await import('../debug/debugging.ts');
  return await Debugging.open(debug, { project, tell });
};

const problemsOf = (error: unknown): readonly StartupProblem[] =>
  error instanceof StartupError ? error.problems : [{ file: 'fpm-gateway', detail: String(error) }];

const watchDev = async (server: Server, { project, json }: StartOptions): Promise<() => Promise<void>> => {
  const { watchProject } = await import('../watch.ts');
  return await watchProject(server, project, {
    reloaded: (files, ms) => {
      const took = paint(process.stdout, 'dim', `loaded in ${Math.round(ms)} ms`);
      if (json) say(JSON.stringify({ event: 'reloaded', files, ms: Math.round(ms) }));
      else say(`${paint(process.stdout, 'green', '↻')} ${files.join(', ')} ${took}`);
    },
    failed: (files, error) => {
      const problems = problemsOf(error);
      const head = `keeps the last good version; ${files.join(', ') || 'the project'} does not load`;
      if (json) say(JSON.stringify({ event: 'reload-failed', files, problems }));
      else say(`${describeProblems(problems, head)}\n`);
    },
  });
};

/**
 * What contracts and the config are without their types is kept, in a folder of our own: what lies there is run. The
 * next start does without Node's parser of TypeScript, which takes 9 MB and stays. Where there is no such folder, nothing
 * is kept.
 */
const keepStripped = (): void => {
  enableCompileCache(join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'fpm-gateway'));
};

export const start = async (options: StartOptions): Promise<void> => {
  const { project, dev, json } = options;
  const startedMs = performance.now();
  const env = dev
    ? { FPMG_EXPOSE_ERRORS: 'true', FPMG_SEARCH_LEAKS: 'often', FPMG_RELOAD__WATCH_MS: '0', ...process.env }
    : process.env;
  const level = env.FPMG_LOG__LEVEL ?? 'info';
  const processLog = await createLog(LEVELS.includes(level) ? level : 'info', json);
  const { logger } = processLog;
  // An asynchronous refinement in a contract rejects after zod has given up on it: one call's failure, not everybody's.
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'a promise failed that nobody waited for'));
  const log = dev && !json ? quieter(logger) : logger;
  const colour = isTerminal(process.stdout) && process.env.NO_COLOR === undefined;
  const onTrace =
    dev && !json ? (record: Parameters<typeof renderTrace>[0]) => say(`${renderTrace(record, colour)}\n`) : undefined;
  let stopWatching = async (): Promise<void> => {};
  let debugging: Debugging | undefined;
  if (!dev) keepStripped();
  const giveUp = new AbortController();
  const { pid, ppid } = process;
  const predecessor = findPredecessor(takesOver(process.env, ppid));
  predecessor?.onGone(() => giveUp.abort());
  let hasPlace = predecessor === undefined;
  const pidNote = pidFile(options.pidFile, log);
  const given = { ...process.env };
  forgetSockets(process.env);
  const starting = openDebugging(options).then((opened) => {
    debugging = opened;
    pidNote.check();
    return startServer({
      sockets: inheritedSockets(given, { pid, ppid }, log),
      project,
      env,
      log,
      onTrace,
      adjust: opened?.adjust,
      giveUp: giveUp.signal,
      onQuiet: giveBackMemory,
    });
  });
  const end = async (): Promise<void> => {
    debugging?.close();
    await processLog.end();
  };
  onSignals({
    starting,
    giveUp,
    log: logger,
    end,
    beforeClose: () => stopWatching(),
    hasPlace: () => hasPlace,
    onStopped: () => pidNote.remove(),
    dev,
  });
  try {
    const server = await starting;
    await predecessor?.ready();
    hasPlace = true;
    server.own(true);
    pidNote.write();
    void notifySystemd(process.env, 'READY=1');
    logger.level = server.gateway.settings.log.level;
    if (dev) stopWatching = await watchDev(server, options);
    announce(server, options, performance.now() - startedMs, debugging);
    // Now: a gateway that is killed would keep nothing.
    if (!dev) flushCompileCache();
  } catch (error) {
    debugging?.close();
    // Who asked for that ends the process.
    if (giveUp.signal.aborted) return;
    await predecessor?.failed(problemsOf(error));
    failCommand(error, json);
  }
};
