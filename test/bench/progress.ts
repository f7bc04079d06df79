/** One status line on a terminal, nothing elsewhere. */
const isShown = process.stderr.isTTY === true;

export class Progress {
  readonly #plannedSeconds: number;
  #spentSeconds = 0;
  #isClosed = false;

  constructor(plannedSeconds: number) {
    this.#plannedSeconds = plannedSeconds;
  }

  /** `seconds` is what this step was planned to take. */
  step(what: string, seconds: number): void {
    const left = Math.max(0, this.#plannedSeconds - this.#spentSeconds);
    this.#spentSeconds += seconds;
    if (!isShown || this.#isClosed) return;
    const columns = process.stderr.columns || 80;
    const line = `${what} · about ${Math.ceil(left)} s left`.slice(0, columns - 1);
    process.stderr.write(`\r\u001b[2K${line}`);
  }

  /** Nothing is shown any more. */
  close(): void {
    this.clear();
    this.#isClosed = true;
  }

  clear(): void {
    if (isShown && !this.#isClosed) process.stderr.write('\r\u001b[2K');
  }
}
