export interface CpuTaken {
  /** Of one core. */
  readonly cpuShare: number;
  readonly isSlow: boolean;
}

/**
 * How much of this machine's CPU the calls that run want, over all pools whose workers run here. More than about one
 * beyond the cores only fight for them: 8 busy workers on 2 cores get a third less done than 3.
 */
export class Cores {
  readonly places: number;
  #wanted = 0;
  /** Of it what slow calls want. */
  #wantedBySlow = 0;
  readonly #onFreed: (() => void)[] = [];
  /** Who hears first. */
  #turn = 0;

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

  /** Slow calls leave one place to the others. */
  fitsSlow(share: number): boolean {
    return share === 0 || this.#wantedBySlow + share <= this.places - 1 + ROUNDING;
  }

  take({ cpuShare, isSlow }: CpuTaken): void {
    this.#wanted += cpuShare;
    if (isSlow) this.#wantedBySlow += cpuShare;
  }

  give({ cpuShare, isSlow }: CpuTaken): void {
    if (cpuShare === 0) return;
    this.#wanted = Math.max(0, this.#wanted - cpuShare);
    if (isSlow) this.#wantedBySlow = Math.max(0, this.#wantedBySlow - cpuShare);
    // Calls of any pool may have waited for it: in turn, else the first pool would take it all.
    this.#turn += 1;
    const { length } = this.#onFreed;
    for (let at = 0; at < length; at += 1) this.#onFreed[(this.#turn + at) % length]?.();
  }

  onFreed(listener: () => void): void {
    this.#onFreed.push(listener);
  }
}

/** Sums of shares do not come out even. */
const ROUNDING = 1e-6;
