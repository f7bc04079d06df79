/**
 * The PHP processes of a resident pool that are ours to end: by number, and by when they began, because the system gives
 * a number again. One that was told to end and does not (its shutdown functions wait for something) is ended.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { processFacts } from './instance-dir.ts';

/** How long a process that was told to end may take. */
export const ENDING_MAX_MS = 2000;
const LOOK_EVERY_MS = 10;

export class OwnedProcesses {
  /** By number: when it began. */
  readonly #ticks = new Map<number, string>();

  /** False: it is none of that parent's, whatever PHP says. A worker that is gone already is nobody's to end. */
  add(pid: number, parent: number): boolean {
    const facts = processFacts(pid);
    if (facts !== undefined && facts.parent !== parent) return false;
    if (facts !== undefined) this.#ticks.set(pid, facts.ticks);
    return true;
  }

  /** It is said to have ended: if so, it is forgotten. */
  exited(pid: number): void {
    this.#isAlive(pid);
  }

  /** Ends it if it is still there after its time. */
  endSoon(pid: number): void {
    if (!this.#isAlive(pid)) return;
    setTimeout(() => this.end(pid), ENDING_MAX_MS).unref();
  }

  end(pid: number): void {
    if (!this.#isAlive(pid)) return;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  }

  endAll(): void {
    for (const pid of this.#ticks.keys()) this.end(pid);
  }

  /** Resolves when all are gone, or after `ENDING_MAX_MS`. */
  async gone(): Promise<void> {
    const byMs = performance.now() + ENDING_MAX_MS;
    while ([...this.#ticks.keys()].some((pid) => this.#isAlive(pid)) && performance.now() < byMs)
      await delay(LOOK_EVERY_MS);
  }

  #isAlive(pid: number): boolean {
    const ticks = this.#ticks.get(pid);
    if (ticks === undefined) return false;
    const facts = processFacts(pid);
    if (facts !== undefined && !facts.isZombie && facts.ticks === ticks) return true;
    this.#ticks.delete(pid);
    return false;
  }
}
