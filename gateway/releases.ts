/**
 * The releases of a running server: one serves, an earlier one can be restored, replaced ones drain. A new one takes over
 * only when all of it has loaded, started and answered; for its first seconds the one before it stands by.
 */
import { GatewayError } from './errors.ts';
import type { Gateway } from './gateway.ts';
import type { Log } from './log.ts';
import type { Project } from './project.ts';
import { Release } from './release.ts';
import { StartupError } from './startup.ts';
import { failsNow } from './trial.ts';

export interface ReleasesOptions {
  /** The project as its files are now; `number` tells versions of modules apart. Rejects with StartupError. */
  readonly load: (number: number, giveUp: AbortSignal) => Promise<Project>;
  /** Starts its pools and checks its handlers; aborted: nobody wants it any more. Rejects with StartupError. */
  readonly open: (project: Project, giveUp: AbortSignal) => Promise<Gateway>;
  readonly log: Log;
}

export interface ReleaseEvent {
  readonly at: string;
  readonly event: 'started' | 'loaded' | 'refused' | 'rolled-back' | 'restored';
  readonly release: number;
  readonly detail: string;
}

export interface ReleaseStatus {
  readonly release: number;
  readonly state: 'current' | 'standby' | 'draining';
  readonly folder: string;
  readonly functions: number;
  readonly requests: number;
}

export interface ReleasesStatus {
  readonly releases: readonly ReleaseStatus[];
  /** The one that `rollback` restores. */
  readonly previous: number | undefined;
  readonly events: readonly ReleaseEvent[];
}

const EVENTS_MAX = 50;
/** Each has processes of its own, for as long as its longest stream lasts. */
const OPEN_MAX = 10;

const stopped = (): StartupError => new StartupError([{ file: 'fpm-gateway', detail: 'It is stopping.' }]);

export class Releases {
  readonly #options: ReleasesOptions;
  #current: Release;
  #previous: Release | undefined;
  /** The current one is on trial until then; the previous one stands by. */
  #trial: NodeJS.Timeout | undefined;
  /** All with processes. */
  readonly #open: Set<Release>;
  readonly #events: ReleaseEvent[] = [];
  #loads: number;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #ending = new AbortController();

  constructor(options: ReleasesOptions, first: Release) {
    this.#options = options;
    this.#current = first;
    this.#open = new Set([first]);
    this.#loads = first.number;
    this.#note('started', first, '');
  }

  get current(): Release {
    return this.#current;
  }

  /** Replaced ones that still serve, and the current one. */
  get open(): ReadonlySet<Release> {
    return this.#open;
  }

  get status(): ReleasesStatus {
    const stateOf = (release: Release): ReleaseStatus['state'] => {
      if (release === this.#current) return 'current';
      return release.isRetired ? 'draining' : 'standby';
    };
    const releases = [...this.#open].map((release) => ({
      release: release.number,
      state: stateOf(release),
      folder: release.project.folder,
      functions: release.gateway.functions.size,
      requests: release.inside,
    }));
    return { releases, previous: this.#previous?.number, events: [...this.#events] };
  }

  /** Resolves with the new one, which serves. Rejects with StartupError: the running one has stayed. */
  reload(): Promise<Release> {
    return this.#inTurn(async () => {
      this.#loads += 1;
      const number = this.#loads;
      try {
        this.#assertRoom();
        const project = await this.#options.load(number, this.#ending.signal);
        const release = await this.#start(number, project);
        this.#replace(release);
        const detail = `took the place of ${this.#previous?.number}`;
        this.#note('loaded', release, detail);
        this.#options.log.info({ release: number, folder: project.folder }, `release ${number} ${detail}`);
        return release;
      } catch (error) {
        this.#note('refused', { number }, error instanceof Error ? error.message : String(error));
        throw error;
      }
    });
  }

  /** Resolves with the one that serves again. Rejects with `no-previous-release`, or StartupError: nothing has changed. */
  restore(): Promise<Release> {
    return this.#inTurn(async () => {
      const previous = this.#previous;
      if (previous === undefined)
        throw new GatewayError(
          'no-previous-release',
          'This gateway has served no other release since it started: switch the files back and reload.',
        );
      const release = previous.isRetired ? await this.#start(previous.number, previous.project) : previous;
      const left = this.#current.number;
      this.#goBackTo(release);
      this.#note('restored', release, `took the place of ${left} again`);
      this.#options.log.warn({ release: release.number, replaced: left }, 'an earlier release was restored');
      return release;
    });
  }

  /** The one that serves is the last: what is under way to become another ends, and takes its processes and folders with it. */
  stop(): void {
    this.#endTrial();
    this.#ending.abort();
  }

  close(): Promise<unknown> {
    this.stop();
    return Promise.all([this.#turn, ...[...this.#open].map(({ gateway }) => gateway.close())]);
  }

  async destroy(): Promise<void> {
    this.stop();
    await Promise.all([this.#turn, ...[...this.#open].map(({ gateway }) => gateway.destroy())]);
  }

  /** One at a time: each takes the place of the one before it. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(() => {
      if (this.#ending.signal.aborted)
        throw new GatewayError('shutting-down', 'This gateway is stopping: reload the one that serves next.');
      return work();
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  #assertRoom(): void {
    if (this.#open.size < OPEN_MAX) return;
    const draining = [...this.#open].filter((release) => release.isRetired);
    const inside = draining.map((release) => `${release.number} (${release.inside} requests)`).join(', ');
    const detail = `${this.#open.size} releases are open, the most there may be: ${inside} still serve what they began. Wait for them, or end their calls (fpm-gateway calls, fpm-gateway cancel).`;
    throw new StartupError([{ file: 'fpm-gateway', detail }]);
  }

  async #start(number: number, project: Project): Promise<Release> {
    const { signal } = this.#ending;
    const gateway = await this.#options.open(project, signal);
    if (signal.aborted) {
      await gateway.destroy();
      throw stopped();
    }
    const release = new Release(number, project, gateway);
    this.#open.add(release);
    return release;
  }

  #replace(release: Release): void {
    const before = this.#current;
    this.#endTrial();
    this.#current = release;
    this.#previous = before;
    const { watchMs } = release.project.settings.reload;
    if (watchMs === 0) {
      this.#retire(before);
      return;
    }
    release.gateway.outcomes.onFailed = (name) => this.#judge(release, before, name);
    this.#trial = setTimeout(() => this.#endTrial(), watchMs);
    this.#trial.unref();
  }

  /** With what it has shown so far it stays, and nobody stands by any more. */
  #endTrial(): void {
    if (this.#trial === undefined) return;
    clearTimeout(this.#trial);
    this.#trial = undefined;
    this.#current.gateway.outcomes.onFailed = () => {};
    if (this.#previous !== undefined) this.#retire(this.#previous);
  }

  #judge(release: Release, before: Release, name: string): void {
    const { outcomes, settings } = release.gateway;
    const now = outcomes.of(name);
    if (!failsNow(now, before.gateway.outcomes.of(name), settings.reload)) return;
    const { failed, calls } = now;
    const detail = `${name} failed ${failed} of its first ${calls} calls: release ${before.number} serves again`;
    this.#note('rolled-back', release, detail);
    this.#options.log.error({ release: release.number, function: name, failed, calls }, detail);
    this.#goBackTo(before);
  }

  /** The one it leaves is what `restore` would bring back. */
  #goBackTo(release: Release): void {
    const left = this.#current;
    clearTimeout(this.#trial);
    this.#trial = undefined;
    left.gateway.outcomes.onFailed = () => {};
    this.#current = release;
    this.#previous = left;
    this.#retire(left);
  }

  #retire(release: Release): void {
    void release
      .retire()
      .catch((error) => this.#options.log.error({ err: error }, 'a replaced release did not close'))
      .finally(() => this.#open.delete(release));
  }

  #note(event: ReleaseEvent['event'], { number }: Pick<Release, 'number'>, detail: string): void {
    this.#events.push({ at: new Date().toISOString(), event, release: number, detail });
    if (this.#events.length > EVENTS_MAX) this.#events.shift();
  }
}
