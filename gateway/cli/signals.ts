/** What signals ask of a gateway that starts or runs, and how it does that. */
import type { Logger } from 'pino';
import type { Server } from '../server.ts';
import { StartupError } from '../startup.ts';
import { notifySystemd } from './notify.ts';
import { HANDOVER_MAX_MS, HandoverFailed, type Successor, sameCommand, startSuccessor } from './successor.ts';
import { isTerminal } from './terminal.ts';

export interface LifeOptions {
  readonly starting: Promise<Server>;
  /** Aborted: gives up a start that is under way. */
  readonly giveUp: AbortController;
  readonly log: Logger;
  /** The last to be done, however it ends. */
  readonly end: () => Promise<void>;
  readonly beforeClose: () => Promise<void>;
  /** False: it was started to take another's place, who still serves. */
  readonly hasPlace: () => boolean;
  /** It stops, and no other serves in its place. */
  readonly onStopped: () => void;
  readonly dev: boolean;
}

/** One process from its start to its end: it stops once, or hands over once and then stops. */
class Life {
  readonly #options: LifeOptions;
  #server: Server | undefined;
  #asked = false;
  #forced = false;
  #handover: { readonly giveUp: AbortController; readonly done: Promise<void> } | undefined;
  /** Who serves in its place. */
  #successor: Successor | undefined;

  constructor(options: LifeOptions) {
    this.#options = options;
    options.starting.then(
      (server) => {
        this.#server = server;
      },
      () => {},
    );
  }

  /** First signal: finish what runs. Second: now. During the start: give it up. */
  stop(signal: NodeJS.Signals, ending: 'told' | 'interrupted'): void {
    const { starting, giveUp, log, hasPlace } = this.#options;
    if (this.#asked) {
      this.#forced = true;
      void starting.then((server) => server.destroy()).finally(() => this.#exit(1));
      return;
    }
    this.#asked = true;
    giveUp.abort();
    this.#handover?.giveUp.abort();
    // For systemd it is the service that stops, and what is left of it is killed behind TimeoutStopSec.
    if (this.#successor === undefined && hasPlace()) void notifySystemd(process.env, 'STOPPING=1');
    log.info({ signal }, 'stopping: running calls may finish; a second signal ends them');
    void starting.then((server) => this.#close(server, ending)).catch((error) => this.#failed(error));
  }

  /** The project is loaded again; what is wrong with it is logged, and the running release stays. */
  reload(): void {
    const { log } = this.#options;
    if (this.#successor !== undefined) {
      log.warn(`no reload: the process ${this.#successor.pid} has taken over, send it there`);
      return;
    }
    if (this.#server === undefined || this.#asked) {
      log.warn(`no reload: this one ${this.#asked ? 'stops' : 'still starts itself'}`);
      return;
    }
    this.#server.reload().catch((error) => {
      const problems =
        error instanceof StartupError ? error.problems : [{ file: 'fpm-gateway', detail: String(error) }];
      log.error({ problems }, 'the project does not load: the running release stays');
    });
  }

  /** Another process of the same command line takes over the listening sockets. */
  handOver(): void {
    const { log } = this.#options;
    const refusal = this.#refusal();
    if (refusal !== undefined || this.#server === undefined) {
      log.warn(`no new process is started: ${refusal}`);
      return;
    }
    const giveUp = new AbortController();
    const done = this.#replace(this.#server, giveUp.signal).finally(() => {
      this.#handover = undefined;
    });
    this.#handover = { giveUp, done };
  }

  #refusal(): string | undefined {
    if (this.#options.dev) return 'in dev changes load by themselves';
    if (this.#asked) return 'this one stops';
    if (this.#successor !== undefined) return `the process ${this.#successor.pid} has taken over already`;
    if (this.#handover !== undefined) return 'another one still starts';
    return this.#server === undefined ? 'this one still starts itself' : undefined;
  }

  /** Never rejects. */
  async #replace(server: Server, giveUp: AbortSignal): Promise<void> {
    const { log } = this.#options;
    try {
      const successor = await startSuccessor({
        sockets: server.sockets,
        command: sameCommand(),
        env: process.env,
        maxMs: HANDOVER_MAX_MS,
        giveUp,
        onPid: (pid) => log.info({ newPid: pid }, 'a new process starts; this one serves until that is ready'),
      });
      if (giveUp.aborted) {
        await successor.end();
        return;
      }
      // Before the other knows that they are its own.
      server.own(false);
      await successor.release().catch((error) => {
        server.own(true);
        throw error;
      });
      this.#successor = successor;
    } catch (error) {
      if (giveUp.aborted) {
        log.info('the new process has ended: this one was told to stop');
        return;
      }
      const problems = error instanceof HandoverFailed ? error.problems : [];
      const why = error instanceof Error ? error.message : String(error);
      log.error({ why, problems }, 'the new process does not serve: this one serves on');
      return;
    }
    const { pid } = this.#successor;
    log.info({ newPid: pid }, `the process ${pid} has taken over: this one finishes what it has begun, and ends`);
    // Not awaited here: connections are told meanwhile. Before it ends, as systemd would take that for the service's end.
    const told = notifySystemd(process.env, `MAINPID=${pid}`);
    void this.#close(server, 'replaced', told).catch((error) => this.#failed(error));
  }

  async #close(server: Server, ending: 'told' | 'interrupted' | 'replaced', also?: Promise<void>): Promise<void> {
    await this.#options.beforeClose();
    await Promise.all([server.close(ending), also, this.#handover?.done]);
    this.#exit(0);
  }

  #failed(error: unknown): void {
    // A start that was given up: as it was asked to.
    if (error instanceof StartupError) {
      this.#exit(0);
      return;
    }
    this.#options.log.error({ err: error }, 'did not stop in order');
    this.#exit(1);
  }

  #exit(code: number): void {
    if (this.#successor === undefined) this.#options.onStopped();
    // Ending everything at once also completes the orderly end that was under way.
    void this.#options.end().finally(() => process.exit(this.#forced ? 1 : code));
  }
}

type Deed = (life: Life, signal: NodeJS.Signals) => void;

const DEEDS: Readonly<Partial<Record<NodeJS.Signals, Deed>>> = {
  SIGTERM: (life, signal) => life.stop(signal, 'told'),
  SIGINT: (life, signal) => life.stop(signal, 'interrupted'),
  // Where a terminal closes, it means the end; whom it reaches otherwise was sent it.
  SIGHUP: (life, signal) => (isTerminal(process.stdout) ? life.stop(signal, 'interrupted') : life.reload()),
  SIGUSR2: (life) => life.handOver(),
};

export const onSignals = (options: LifeOptions): void => {
  const life = new Life(options);
  for (const [signal, deed] of Object.entries(DEEDS) as [NodeJS.Signals, Deed][])
    process.on(signal, () => deed(life, signal));
};
