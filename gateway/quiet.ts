/** What a gateway does when all of its pools sleep: it gives back memory that it had for its start, or for its last calls. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Pool } from './pool/pool.ts';

/** The collection holds up everything for some 70 ms: not in the middle of calls that come one by one. */
const QUIET_FOR_MS = 1000;

/** Looks whenever one of them has fallen asleep. */
export class Quiet {
  readonly #pools: readonly Pool[];
  readonly #onQuiet: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(pools: Iterable<Pool>, onQuiet: () => void) {
    this.#pools = [...pools];
    this.#onQuiet = onQuiet;
    for (const pool of this.#pools) pool.onAsleep = () => this.#look();
    this.#look();
  }

  stop(): void {
    clearTimeout(this.#timer);
    for (const pool of this.#pools) pool.onAsleep = () => {};
  }

  get #allSleep(): boolean {
    return this.#pools.length > 0 && this.#pools.every(({ state }) => state === 'asleep');
  }

  #look(): void {
    clearTimeout(this.#timer);
    if (!this.#allSleep) return;
    this.#timer = setTimeout(() => {
      if (this.#allSleep) this.#onQuiet();
    }, QUIET_FOR_MS).unref();
  }
}

type Collect = (options: { type: 'major'; execution: 'sync'; flavor: 'last-resort' }) => void;

/**
 * V8 keeps the room for new objects that it once needed (up to 48 MB with the semi-spaces that serve calls best), and a
 * process that does nothing meets no collection that would shrink it: 26 MB of 130 came back.
 */
export const giveBackMemory = (): void => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as Collect;
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
};
