/** A gateway whose process changes: the newest one that serves, whoever started it. */
import { onTestFinished } from 'vitest';
import { type ServeOptions, type ServingCommand, serve } from './command.ts';
import { isAlive } from './php-processes.ts';
import { until } from './until.ts';

export interface ReplaceableCommand extends ServingCommand {
  /** Of those that have served so far, the newest last. */
  readonly pids: () => number[];
  /** Starts a new process; resolves with its pid when it serves alone, but for what the old one has begun. */
  replace(): Promise<number>;
  signal(name: NodeJS.Signals): void;
  readonly messages: () => string[];
}

export const serveReplaceable = async (project: string, options: ServeOptions = {}): Promise<ReplaceableCommand> => {
  const cli = await serve('start', project, options);
  const pids = (): number[] =>
    cli
      .events()
      .filter(({ event }) => event === 'ready')
      .map(({ pid }) => Number(pid));
  const signal = (name: NodeJS.Signals): void => {
    process.kill(pids().at(-1) ?? 0, name);
  };
  // Before the one of the command itself, which waits until nobody holds its output any more.
  onTestFinished(async () => {
    for (const name of ['SIGTERM', 'SIGINT'] as const)
      for (const pid of pids()) if (isAlive(pid)) process.kill(pid, name);
    await until('all have ended', () => !pids().some(isAlive));
  });
  const replace = async (): Promise<number> => {
    const before = pids().length;
    signal('SIGUSR2');
    await until('a new process serves', () => pids().length > before);
    return pids().at(-1) ?? 0;
  };
  const messages = (): string[] => cli.events().flatMap(({ msg }) => (typeof msg === 'string' ? [msg] : []));
  return { ...cli, pids, replace, signal, messages };
};
