/** The slots of one backend that are taken, and when the last of them is free. */
import type { WorkerSlot } from './slot.ts';

export class Slots {
  readonly #slots = new Set<WorkerSlot>();
  #emptied: PromiseWithResolvers<void> | undefined;

  get size(): number {
    return this.#slots.size;
  }

  /** Those whose caller has given up and whose worker is not free yet. */
  get late(): number {
    let late = 0;
    for (const slot of this.#slots) if (slot.late) late += 1;
    return late;
  }

  add(slot: WorkerSlot): void {
    this.#slots.add(slot);
  }

  delete(slot: WorkerSlot): void {
    this.#slots.delete(slot);
    if (this.#slots.size === 0) this.#emptied?.resolve();
  }

  /** Resolves when none is taken; whoever asks lets no further ones be. */
  emptied(): Promise<void> {
    this.#emptied ??= Promise.withResolvers<void>();
    if (this.#slots.size === 0) this.#emptied.resolve();
    return this.#emptied.promise;
  }

  destroy(): void {
    for (const slot of this.#slots) slot.destroy();
  }
}
