/** What has been started, to be ended: the newest first, each once. */
import type { Lifetime } from '../support/lifetime.ts';

export class Ends {
  readonly #ends: (() => void | Promise<void>)[] = [];

  readonly lifetime: Lifetime = (end) => {
    this.#ends.push(end);
  };

  /** One that fails is told, and the others still end. */
  async all(): Promise<void> {
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) {
      try {
        await end();
      } catch (error) {
        console.error(`chaos: ${String(error)}`);
      }
    }
  }
}
