/**
 * Watches a master that lives: one that is stopped, or does not fork and reap any more, says nothing. It is told unwell
 * when it has been for several looks in a row: a moment (a debugger, a machine that is short of CPU) is no reason.
 */

const LOOK_EVERY_MS = 1000;
/** Found within 3 s of its beginning. */
const LOOKS = 3;

export class MasterWatch {
  readonly #reason: () => string | undefined;
  readonly #onUnwell: (why: string) => void;
  readonly #timer: NodeJS.Timeout;
  #unwell = 0;

  /** `reason`: what is wrong with it now; undefined: nothing is. `onUnwell` is called again while it stays so. */
  constructor(reason: () => string | undefined, onUnwell: (why: string) => void) {
    this.#reason = reason;
    this.#onUnwell = onUnwell;
    this.#timer = setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  /** By looks and not by the clock: a gateway that was stopped itself has seen nothing meanwhile. */
  look(): void {
    const why = this.#reason();
    this.#unwell = why === undefined ? 0 : this.#unwell + 1;
    if (why === undefined || this.#unwell < LOOKS) return;
    this.#unwell = 0;
    this.#onUnwell(why);
  }

  /** Idempotent. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
