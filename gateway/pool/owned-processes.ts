/**
 * The PHP processes of a resident pool that are ours to end: by number, and by when they began, because the system gives
 * a number again. One that was told to end and does not (its shutdown functions wait for something) is ended.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

interface ProcessFacts {
  readonly parent: number;
  readonly ticks: string;
  readonly isZombie: boolean;
}

/** Undefined: it is gone, or the system does not tell. */
const factsOf = (pid: number): ProcessFacts | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { isZombie: fields[0] === 'Z', parent: Number(fields[1]), ticks: fields[19] ?? '' };
  } catch {
    return undefined;
  }
};

/** How long a process that was told to end may take. */
export const ENDING_MAX_MS = 2000;
const LOOK_EVERY_MS = 10;

export class OwnedProcesses {
  /** By number: when it began. */
  readonly #ticks = new Map<number, string>();

  /** False: it is none of that parent's, whatever PHP says. A worker that is gone already is nobody's to end. */
  add(pid: number, parent: number): boolean {
    const facts = factsOf(pid);
    if (facts !== undefined && facts.parent !== parent) return false;
    if (facts !== undefined) this.#ticks.set(pid, facts.ticks);
    return true;
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
    const facts = factsOf(pid);
    if (facts !== undefined && !facts.isZombie && facts.ticks === ticks) return true;
    this.#ticks.delete(pid);
    return false;
  }
}
