/**
 * Where a pool's resident workers come from: forked by a master that has loaded the application, in milliseconds and
 * sharing its memory; forked by one that has not, where the application opened what processes must not share; or, where
 * PHP cannot fork, started one by one.
 */
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import type { Address } from '../fastcgi/index.ts';
import { LATE, within } from '../within.ts';
import type { PhpException } from './envelope.ts';
import { phpProcesses } from './instance-dir.ts';
import { assertSocketPath } from './internal-sockets.ts';
import { type ResidentEvent, ResidentProcess, type ResidentProgram, type StartOrder } from './resident-process.ts';

export interface ResidentMasterOptions {
  readonly program: ResidentProgram;
  readonly order: Omit<StartOrder, 'op' | 'bootstrapIn' | 'socket'>;
  /** For the workers' sockets: the workers' user may write there. */
  readonly sockets: string;
  readonly bootstrapTimeoutMs: number;
}

/** The application does not load; `exception` where PHP says so. */
export class ApplicationError extends Error {
  readonly exception: PhpException | undefined;
  /** The one that PHP was loading, where it is known. */
  readonly file: string | undefined;

  constructor(message: string, exception?: PhpException, file?: string) {
    super(message);
    this.exception = exception;
    this.file = file;
  }
}

export interface StartedWorker {
  readonly address: Address;
  /** It loads the application before it answers. */
  readonly loads: boolean;
}

type How =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'forked'; readonly bootstrapIn: 'master' | 'worker'; readonly process: ResidentProcess }
  | { readonly kind: 'alone' };

const FORK_TIMEOUT_MS = 10_000;

export class ResidentMaster {
  readonly #options: ResidentMasterOptions;
  #how: How = { kind: 'unknown' };
  #starting: Promise<How> | undefined;
  #stopped = false;
  #lastId = 0;
  readonly #forks = new Map<number, (answer: number | string) => void>();
  /** All that run: the master, or each worker. */
  readonly #processes = new Set<ResidentProcess>();
  /** A master was killed from outside: its workers serve on, in a group without a leader. */
  #leftWorkers = false;
  /** What the bootstrap printed. */
  stray = '';

  constructor(options: ResidentMasterOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#how.kind === 'forked' ? this.#how.process.pid : undefined;
  }

  /** Rejects with ApplicationError, or GatewayError `pool-unavailable`. */
  async worker(): Promise<StartedWorker> {
    const how = await this.#known();
    return how.kind === 'forked' ? await this.#fork(how) : await this.#startAlone();
  }

  /** No more workers; those there are end with their connections. Idempotent. */
  stop(): void {
    this.#stopped = true;
    for (const process of this.#processes) process.stop();
  }

  /** Ends all of it now. */
  async kill(): Promise<void> {
    this.#stopped = true;
    const processes = [...this.#processes];
    for (const process of processes) process.kill();
    if (this.#leftWorkers) endAll(phpProcesses((title) => title.trimEnd() === this.#options.order.title));
    await Promise.all(processes.map(({ exited }) => exited));
  }

  async #known(): Promise<How> {
    if (this.#how.kind !== 'unknown') return this.#how;
    this.#starting ??= this.#start('master').finally(() => {
      this.#starting = undefined;
    });
    this.#how = await this.#starting;
    return this.#how;
  }

  async #start(bootstrapIn: 'master' | 'worker'): Promise<How> {
    const { process, event } = await this.#launch(bootstrapIn, null);
    if (event.event === 'ready' && event.forks) {
      this.stray = event.stray ?? '';
      void process.exited.then((how) => this.#lost(process, how));
      return { kind: 'forked', bootstrapIn, process };
    }
    process.stop();
    if (event.event === 'ready') return { kind: 'alone' };
    const { log, pool } = this.#options.program;
    const why = event.event === 'unshared' ? event.why : '';
    log.warn({ pool, why }, 'the bootstrap opened what processes must not share: each resident worker loads it itself');
    return await this.#start('worker');
  }

  /** The next worker starts another. */
  #lost(process: ResidentProcess, how: string): void {
    if (this.#stopped || this.#how.kind !== 'forked' || this.#how.process !== process) return;
    const { log, pool } = this.#options.program;
    log.error({ pool, how }, 'the master of the resident workers died: the next worker starts another');
    this.#how = { kind: 'unknown' };
    this.#leftWorkers = true;
  }

  async #fork({ process, bootstrapIn }: Extract<How, { kind: 'forked' }>): Promise<StartedWorker> {
    this.#lastId += 1;
    const id = this.#lastId;
    const path = this.#socketPath(id);
    const forked = new Promise<number | string>((resolve) => this.#forks.set(id, resolve));
    process.fork(id, path);
    const ended = process.exited.then((how) => `It ended with ${how}.`);
    const outcome = await within(Promise.race([forked, ended]), FORK_TIMEOUT_MS);
    this.#forks.delete(id);
    if (typeof outcome === 'number') return { address: { kind: 'unix', path }, loads: bootstrapIn === 'worker' };
    if (outcome === LATE) process.kill();
    throw unavailable(outcome === LATE ? `It did not fork within ${FORK_TIMEOUT_MS} ms.` : outcome);
  }

  async #startAlone(): Promise<StartedWorker> {
    this.#lastId += 1;
    const path = this.#socketPath(this.#lastId);
    await this.#launch('worker', path);
    return { address: { kind: 'unix', path }, loads: false };
  }

  #socketPath(id: number): string {
    return assertSocketPath(join(this.#options.sockets, String(id)));
  }

  /** Resolves with its first word. */
  async #launch(
    bootstrapIn: 'master' | 'worker',
    socket: string | null,
  ): Promise<{ process: ResidentProcess; event: Extract<ResidentEvent, { event: 'ready' | 'unshared' }> }> {
    if (this.#stopped) throw new GatewayError('shutting-down', 'The gateway has stopped.');
    const { program, order, bootstrapTimeoutMs } = this.#options;
    const first = Promise.withResolvers<ResidentEvent>();
    const process = new ResidentProcess(program, { op: 'start', ...order, bootstrapIn, socket }, (event) => {
      if (event.event === 'forked') this.#forks.get(event.id)?.(event.pid);
      else if (event.event === 'refused') this.#forks.get(event.id)?.(event.message);
      else if (event.event === 'exited') this.#noteExit(event);
      else first.resolve(event);
    });
    this.#processes.add(process);
    void process.exited.then(() => this.#processes.delete(process));
    const event = await within(Promise.race([first.promise, process.exited]), bootstrapTimeoutMs);
    if (typeof event === 'object' && (event.event === 'ready' || event.event === 'unshared')) return { process, event };
    process.kill();
    if (event === LATE) {
      const detail = `did not end within ${bootstrapTimeoutMs} ms: make it faster, or raise resident.bootstrapTimeoutMs`;
      throw new ApplicationError(`The bootstrap ${detail}.`);
    }
    if (typeof event === 'object' && event.event === 'failed')
      throw new ApplicationError(event.message ?? failedBy(event.reason), event.exception, event.file);
    const said = process.said === '' ? '' : ` It said: ${process.said}`;
    throw new ApplicationError(`PHP ended (${String(event)}) while it loaded the application.${said}`);
  }

  #noteExit({ pid, status, signal }: Extract<ResidentEvent, { event: 'exited' }>): void {
    const { log, pool } = this.#options.program;
    log.debug({ pool, pid, status, signal }, 'a resident worker has exited');
  }
}

const endAll = (pids: readonly number[]): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }
};

const failedBy = (reason: string | undefined): string =>
  reason === 'exit'
    ? 'The bootstrap calls exit() or die().'
    : `The bootstrap failed: ${reason ?? 'PHP did not say why'}.`;

const unavailable = (why: string): GatewayError =>
  new GatewayError('pool-unavailable', 'No resident worker can be started.', {
    executed: 'no',
    privateDetail: `The master of the pool's resident workers: ${why}`,
  });
