/**
 * Where a pool's resident workers come from: forked by a master that has loaded the application, in milliseconds and
 * sharing its memory; forked by one that has not, where the application opened what processes must not share; or, where
 * PHP cannot fork, started one by one.
 */
import { join } from 'node:path';
import self from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { GatewayError } from '../errors.ts';
import type { Address } from '../fastcgi/index.ts';
import { LATE, within } from '../within.ts';
import type { PhpException } from './envelope.ts';
import { processFacts } from './instance-dir.ts';
import { assertSocketPath } from './internal-sockets.ts';
import { MasterWatch } from './master-watch.ts';
import { ENDING_MAX_MS, OwnedProcesses } from './owned-processes.ts';
import { type ResidentEvent, ResidentProcess, type ResidentProgram, type StartOrder } from './resident-process.ts';
import { stoppedError } from './stopped.ts';

export interface ResidentMasterOptions {
  readonly program: ResidentProgram;
  readonly order: Omit<StartOrder, 'op' | 'bootstrapIn' | 'socket'>;
  /** For the workers' sockets: the workers' user may write there. */
  readonly sockets: string;
  /** The master was killed: the next may load other code than its workers have. */
  readonly onLost: (why: string) => void;
  readonly bootstrapTimeoutMs: number;
  /** Of all processes the pool ever has: those of the time before it slept may still end in the same folder. */
  readonly nextNumber: () => number;
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
  readonly pid: number;
  readonly address: Address;
  /** It loads the application before it answers. */
  readonly loads: boolean;
}

type How =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'forked'; readonly bootstrapIn: 'master' | 'worker'; readonly process: ResidentProcess }
  | { readonly kind: 'alone' };

/** It takes milliseconds: one that does not fork by then hangs. */
const FORK_TIMEOUT_MS = 5000;
/** As many as there will ever be. */
const ID_MAX = 9_999_999_999;

export class ResidentMaster {
  readonly #options: ResidentMasterOptions;
  #how: How = { kind: 'unknown' };
  #starting: Promise<How> | undefined;
  #stopped = false;
  readonly #forks = new Map<number, (answer: number | string) => void>();
  readonly #workers = new OwnedProcesses();
  /** All that run: the master, or each worker. */
  readonly #processes = new Set<ResidentProcess>();
  /** What the bootstrap printed. */
  stray = '';

  constructor(options: ResidentMasterOptions) {
    this.#options = options;
    // Now, and not when so many workers have been started that their numbers have no room.
    this.#socketPath(ID_MAX);
  }

  get pid(): number | undefined {
    return this.#how.kind === 'forked' ? this.#how.process.pid : undefined;
  }

  /** Rejects with ApplicationError, or GatewayError `pool-unavailable`. */
  async worker(): Promise<StartedWorker> {
    const how = await this.#known();
    return how.kind === 'forked' ? await this.#fork(how) : await this.#startAlone();
  }

  /** Its connection has ended, and so must it. */
  ended({ pid }: StartedWorker): void {
    this.#workers.endSoon(pid);
  }

  /** It is of no use: it did not answer. */
  end({ pid }: StartedWorker): void {
    this.#workers.end(pid);
  }

  /** No more workers: waits for those there are, whose connections have ended, and ends those that stay. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const process of this.#processes) process.stop();
    await Promise.race([this.#allExited(), delay(ENDING_MAX_MS)]);
    await this.#workers.gone();
    await this.kill();
  }

  /** Ends all of it now. Idempotent. */
  async kill(): Promise<void> {
    this.#stopped = true;
    for (const process of this.#processes) process.kill();
    this.#workers.endAll();
    await this.#allExited();
    await this.#workers.gone();
  }

  async #allExited(): Promise<void> {
    await Promise.all([...this.#processes].map(({ exited }) => exited));
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
      this.#watch(process);
      return { kind: 'forked', bootstrapIn, process };
    }
    process.stop();
    if (event.event === 'ready') return { kind: 'alone' };
    const { log, pool } = this.#options.program;
    const why = event.event === 'unshared' ? event.why : '';
    log.warn({ pool, why }, 'the bootstrap opened what processes must not share: each resident worker loads it itself');
    return await this.#start('worker');
  }

  /** One that is stopped would neither fork nor end: its workers serve on, and the next ones are another's. */
  #watch(process: ResidentProcess): void {
    let unwell: string | undefined;
    const watch = new MasterWatch(
      () => (processFacts(process.pid)?.isStopped === true ? 'it is stopped (SIGSTOP)' : undefined),
      (why) => {
        unwell = why;
        process.end();
      },
    );
    void process.exited.then((how) => {
      watch.stop();
      this.#lost(process, unwell === undefined ? `it died (${how})` : `it was ended: ${unwell}`);
    });
  }

  /** The next worker starts another. */
  #lost(process: ResidentProcess, why: string): void {
    if (this.#stopped || this.#how.kind !== 'forked' || this.#how.process !== process) return;
    const { log, pool } = this.#options.program;
    log.error({ pool, why }, 'the master of the resident workers is gone: the next worker starts another');
    this.#how = { kind: 'unknown' };
    this.#options.onLost(`The master of the resident workers is gone: ${why}.`);
  }

  async #fork({ process, bootstrapIn }: Extract<How, { kind: 'forked' }>): Promise<StartedWorker> {
    const id = this.#options.nextNumber();
    const path = this.#socketPath(id);
    const forked = new Promise<number | string>((resolve) => this.#forks.set(id, resolve));
    process.fork(id, path);
    const outcome = await within(forked, FORK_TIMEOUT_MS);
    this.#forks.delete(id);
    if (typeof outcome === 'number')
      return { pid: outcome, address: { kind: 'unix', path }, loads: bootstrapIn === 'worker' };
    // Alone: its workers serve on.
    if (outcome === LATE) process.end();
    throw unavailable(outcome === LATE ? `It did not fork within ${FORK_TIMEOUT_MS} ms.` : outcome);
  }

  /** A number that PHP tells is believed when the system says so, too: it may be signalled later. */
  #forked(id: number, pid: number, master: number): void {
    const isOurs = this.#workers.add(pid, master);
    this.#forks.get(id)?.(isOurs ? pid : `It says to have forked the process ${pid}, which is none of its own.`);
    // Nobody waits for it any more.
    if (isOurs && !this.#forks.has(id)) this.#workers.end(pid);
  }

  async #startAlone(): Promise<StartedWorker> {
    const path = this.#socketPath(this.#options.nextNumber());
    const { process } = await this.#launch('worker', path);
    return { pid: process.pid, address: { kind: 'unix', path }, loads: false };
  }

  #socketPath(id: number): string {
    return assertSocketPath(join(this.#options.sockets, String(id)));
  }

  /** Resolves with its first word. */
  async #launch(
    bootstrapIn: 'master' | 'worker',
    socket: string | null,
  ): Promise<{ process: ResidentProcess; event: Extract<ResidentEvent, { event: 'ready' | 'unshared' }> }> {
    if (this.#stopped) throw stoppedError();
    const { program, order, bootstrapTimeoutMs } = this.#options;
    const first = Promise.withResolvers<ResidentEvent>();
    const process = new ResidentProcess(program, { op: 'start', ...order, bootstrapIn, socket }, (event) => {
      if (event.event === 'forked') this.#forked(event.id, event.pid, process.pid);
      else if (event.event === 'refused') this.#forks.get(event.id)?.(event.message);
      else if (event.event === 'exited') this.#noteExit(event);
      else first.resolve(event);
    });
    this.#processes.add(process);
    if (socket !== null) this.#workers.add(process.pid, self.pid);
    void process.exited.then((how) => {
      this.#processes.delete(process);
      if (socket === null) for (const answer of this.#forks.values()) answer(`It ended with ${how}.`);
    });
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
    this.#workers.exited(pid);
    const { log, pool } = this.#options.program;
    log.debug({ pool, pid, status, signal }, 'a resident worker has exited');
  }
}

const failedBy = (reason: string | undefined): string =>
  reason === 'exit'
    ? 'The bootstrap calls exit() or die().'
    : `The bootstrap failed: ${reason ?? 'PHP did not say why'}.`;

const unavailable = (why: string): GatewayError =>
  new GatewayError('pool-unavailable', 'No resident worker can be started.', {
    executed: 'no',
    privateDetail: `The master of the pool's resident workers: ${why}`,
  });
