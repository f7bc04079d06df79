/** A real `php gateway/php/resident.php` with its control lines, and workers of it spoken to in raw FastCGI records. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type Lifetime, temporaryFolder, thisTest } from './lifetime.ts';
import { isAlive, kill } from './php-processes.ts';
import { connectWorker, type ResidentWorker } from './resident-worker.ts';
import { until } from './until.ts';

const ENTRY = join(import.meta.dirname, '..', '..', 'gateway', 'php', 'resident.php');

/** What the gateway will give, as far as tests depend on it. */
const INI = ['display_errors=0', 'log_errors=1', 'error_log=', 'memory_limit=128M', 'opcache.enable_cli=1'];

export interface ResidentEvent {
  readonly event: string;
  readonly [member: string]: unknown;
}

export interface ResidentOptions {
  readonly lifetime?: Lifetime;
  /** Handlers by function: PHP behind `<?php`, in `<name>.php` unless it is an object. */
  readonly handlers: Readonly<Record<string, string>>;
  readonly streams?: Readonly<Record<string, 'items' | 'bytes'>>;
  readonly bootstrap?: string;
  readonly bootstrapIn?: 'master' | 'worker';
  readonly ini?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Workers run many calls at once, each begun only where so much memory is left. */
  readonly concurrent?: { readonly callMemoryBytes: number };
  /** A process that is a worker by itself. */
  readonly alone?: boolean;
  /** Its script is read from stdin. */
  readonly fromStdin?: boolean;
}

export interface StartedWorker extends ResidentWorker {
  /** Ids of the requests that have begun, as a concurrent worker notes them. */
  begun(): number[];
}

export interface ResidentProcess {
  readonly pid: number;
  readonly folder: string;
  readonly uploads: string;
  /** The next event of this kind, those that came before included; each is given once. */
  event(kind: string): Promise<ResidentEvent>;
  tell(line: unknown): void;
  /** Ends descriptor 3. */
  hangUp(): void;
  /** How a worker ended. */
  exit(pid: number): Promise<ResidentEvent>;
  /** A worker, forked where this process forks. */
  worker(): Promise<StartedWorker>;
  /** stdout and stderr, so far. */
  log(): string;
  ended(): Promise<number | NodeJS.Signals>;
}

let sockets = 0;

export const startResident = async (options: ResidentOptions): Promise<ResidentProcess> => {
  const lifetime = options.lifetime ?? thisTest;
  const folder = temporaryFolder(lifetime);
  const uploads = join(folder, 'uploads');
  mkdirSync(uploads);
  const write = (name: string, php: string): string => {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(
      file,
      `<?php declare(strict_types=1);\nuse FpmGateway\\{Binary, Call, Failure, UploadedFile};\n${php}`,
    );
    return file;
  };
  const functions = Object.entries(options.handlers).map(([name, php]) => ({
    name,
    file: write(`functions/${name}.php`, php),
    streams: options.streams?.[name] ?? null,
  }));
  const bootstrap = options.bootstrap === undefined ? '' : write('app.php', options.bootstrap);
  const ini = [...INI, ...(options.ini ?? [])].flatMap((setting) => ['-d', setting]);
  const stdin = options.fromStdin === true ? openSync(ENTRY, 'r') : 'ignore';
  const child = spawn('php', [...ini, ...(stdin === 'ignore' ? [ENTRY] : ['--', dirname(ENTRY)])], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...options.env },
    stdio: [stdin, 'pipe', 'pipe', 'pipe'],
  });
  if (stdin !== 'ignore') closeSync(stdin);
  const pid = child.pid ?? 0;
  let log = '';
  let ending: number | NodeJS.Signals | undefined;
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text: Buffer) => (log += text.toString()));
  child.on('exit', (code, signal) => (ending = signal ?? code ?? 0));
  const control = child.stdio[3] as Duplex;
  const events: ResidentEvent[] = [];
  let rest = '';
  control.on('error', () => undefined);
  control.on('data', (bytes: Buffer) => {
    const lines = (rest + bytes.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) events.push(JSON.parse(line));
  });
  const forked: number[] = [];
  lifetime(() => {
    for (const one of [pid, ...forked]) if (isAlive(one)) kill(one, 'SIGKILL');
  });

  const find = async (what: string, isIt: (one: ResidentEvent) => boolean): Promise<ResidentEvent> => {
    await until(`the event ${what}; there are ${JSON.stringify(events)}, log: ${log}`, () => events.some(isIt));
    return events.splice(events.findIndex(isIt), 1)[0] as ResidentEvent;
  };
  const event = (kind: string): Promise<ResidentEvent> => find(kind, (one) => one.event === kind);
  const exit = (worker: number): Promise<ResidentEvent> =>
    find(`exited ${worker}`, (one) => one.event === 'exited' && one.pid === worker);
  const tell = (line: unknown): void => void control.write(`${JSON.stringify(line)}\n`);
  const socketPath = (): string => join(folder, `w${++sockets}.sock`);
  const begun = (path: string) => (): number[] => {
    // One that is connected has not always got so far.
    const marks = existsSync(`${path}.begun`) ? readFileSync(`${path}.begun`) : Buffer.alloc(0);
    return Array.from({ length: marks.length / 2 }, (_, n) => marks.readUInt16BE(2 * n));
  };
  const ownSocket = options.alone === true ? socketPath() : null;
  tell({
    op: 'start',
    bootstrap,
    bootstrapIn: options.bootstrapIn ?? 'master',
    functions,
    uploads,
    sentinel: { first: 20, dense: false },
    socket: ownSocket,
    concurrent: options.concurrent ?? null,
  });

  const worker = async (): Promise<StartedWorker> => {
    if (ownSocket !== null) return { ...(await connectWorker(ownSocket, pid, lifetime)), begun: begun(ownSocket) };
    const path = socketPath();
    tell({ op: 'fork', id: sockets, socket: path });
    const { pid: fork } = await event('forked');
    forked.push(Number(fork));
    return { ...(await connectWorker(path, Number(fork), lifetime)), begun: begun(path) };
  };
  return {
    pid,
    folder,
    uploads,
    event,
    exit,
    tell,
    worker,
    hangUp: () => void control.destroy(),
    log: () => log,
    ended: async () => {
      await until('the end of the process', () => ending !== undefined);
      return ending ?? 0;
    },
  };
};

/** One that is ready, and one worker of it. */
export const startWorker = async (
  options: ResidentOptions,
): Promise<{ resident: ResidentProcess; worker: StartedWorker }> => {
  const resident = await startResident(options);
  await resident.event('ready');
  return { resident, worker: await resident.worker() };
};
