/** Handlers that tell that they run and wait to be told to go on, through files that PHP's user may write. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Lifetime, openFolder, thisTest } from './lifetime.ts';
import { until } from './until.ts';

const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

/** PHP that waits for a file, given as an expression. */
const waitFor = (file: string): string => `while (!is_file(${file})) { usleep(1000); clearstatcache(); }`;

/** Counts the runs of handlers. */
export class Runs {
  readonly #file: string;

  constructor(lifetime: Lifetime = thisTest) {
    this.#file = join(openFolder(lifetime), 'runs');
  }

  /** Handler source that notes that it ran, then goes on with `body`. */
  marking(body: string): string {
    return `file_put_contents('${this.#file}', 'x', FILE_APPEND | LOCK_EX); ${body}`;
  }

  get count(): number {
    return read(this.#file).length;
  }
}

/** What handlers wait at, all of them, until a test opens it. */
export class Gate {
  /** There while it is open. */
  readonly file: string;

  constructor(lifetime: Lifetime = thisTest) {
    this.file = join(openFolder(lifetime), 'gate');
  }

  /** Handler source. */
  get waiting(): string {
    return waitFor(`'${this.file}'`);
  }

  open(): void {
    writeFileSync(this.file, '');
  }

  close(): void {
    rmSync(this.file, { force: true });
  }
}

/** Handler body of calls that are held: writes its pid to the file that is its input, returns the attempt once told. */
export const WAIT = `
  file_put_contents($input, getmypid() . "\\n", FILE_APPEND);
  ${waitFor("$input . '.go'")}
  return $call->attempt;`;

/** One call that is held, by its input. */
export class Held {
  readonly file: string;

  constructor(folder: string, name: string) {
    this.file = join(folder, name);
  }

  /** The pids of the attempts so far. */
  get pids(): number[] {
    return read(this.file).split('\n').filter(Boolean).map(Number);
  }

  /** Resolves with the pid of the latest attempt once there are that many. */
  async started(attempts = 1): Promise<number> {
    await until(`attempt ${attempts} of ${this.file} starts`, () => this.pids.length >= attempts);
    return this.pids.at(-1) ?? 0;
  }

  go(): void {
    writeFileSync(`${this.file}.go`, '');
  }
}
