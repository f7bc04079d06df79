/**
 * How much of this machine's CPU the calls that run want, over all pools whose workers run here. More than about one
 * beyond the cores only fight for them: 8 busy workers on 2 cores get a third less done than 3.
 */
export class Cores {
  readonly places: number;
  #wanted = 0;
  readonly #onFreed = new Set<() => void>();

  /** `cores` of this machine. */
  constructor(cores: number) {
    this.places = cores + 1;
  }

  get wanted(): number {
    return this.#wanted;
  }

  /** `share` of one core that a call wants. Calls that only wait always fit. */
  fits(share: number): boolean {
    return share === 0 || this.#wanted + share <= this.places + ROUNDING;
  }

  take(share: number): void {
    this.#wanted += share;
  }

  give(share: number): void {
    this.#wanted = Math.max(0, this.#wanted - share);
    // Those of other pools may have waited for it.
    if (share > 0) for (const onFreed of this.#onFreed) onFreed();
  }

  onFreed(listener: () => void): void {
    this.#onFreed.add(listener);
  }
}

/** Sums of shares do not come out even. */
const ROUNDING = 1e-6;
