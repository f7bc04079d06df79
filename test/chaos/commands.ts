/** What stands behind each word of `npm run chaos --`: the one place where a command is wired. Loaded on demand. */
import { existsSync } from 'node:fs';
import type { Lifetime } from '../support/lifetime.ts';
import type { CommandName, Options } from './options.ts';
import type { CommandResult } from './result.ts';

export interface Running {
  readonly options: Options;
  /** For what the command starts: ended with it, and on Ctrl-C. */
  readonly lifetime: Lifetime;
  /** A line of the report. */
  readonly say: (line: string) => void;
  /** What is being done now: shown on a terminal alone, until the next line. */
  readonly show: (text: string) => void;
}

export type Command = (running: Running) => Promise<CommandResult>;

/** A command in a file of its own: `name` is its export. */
const elsewhere =
  (file: string, name: string): Command =>
  async (running) => {
    const url = new URL(file, import.meta.url);
    if (!existsSync(url)) throw new Error(`This copy has no test/chaos/${file.slice(2)}.`);
    const found = (await import(url.href)) as Readonly<Record<string, unknown>>;
    const command = found[name];
    if (typeof command !== 'function') throw new Error(`test/chaos/${file.slice(2)} has no ${name}().`);
    return await (command as Command)(running);
  };

export const COMMAND: Readonly<Record<CommandName, Command>> = {
  rows: elsewhere('./rows-command.ts', 'rowsCommand'),
  fuzz: elsewhere('./fuzz-command.ts', 'fuzzCommand'),
  overload: elsewhere('./overload-command.ts', 'overloadCommand'),
  reload: elsewhere('./reload-command.ts', 'reloadCommand'),
  retries: elsewhere('./retries-command.ts', 'retriesCommand'),
};
