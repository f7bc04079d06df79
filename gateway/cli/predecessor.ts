/** The new process's side of a restart: it says when it serves, and hears when the place is its own. */
import type { StartupProblem } from '../startup.ts';
import { type FromSuccessor, TAKEN } from './successor.ts';

export interface Predecessor {
  /** It has ended: whoever supervised it starts another, whose place this process must not hold. */
  onGone(then: () => void): void;
  /** Resolves when the paths of sockets are ours: it serves no more, or is gone. */
  ready(): Promise<void>;
  /** Resolves when it knows. */
  failed(problems: readonly StartupProblem[]): Promise<void>;
}

/** Undefined where this process takes nobody's place. */
export const findPredecessor = (isSuccessor: boolean): Predecessor | undefined => {
  if (!isSuccessor || process.send === undefined) return undefined;
  const send = (message: FromSuccessor): Promise<void> =>
    new Promise((resolve) => {
      // A channel that has closed is told by `disconnect`.
      if (process.connected) process.send?.(message, undefined, undefined, () => resolve());
      else resolve();
    });
  let whenGone = (): void => {};
  const over = new Promise<void>((resolve) => {
    process.once('disconnect', () => {
      whenGone();
      resolve();
    });
    process.once('message', (message) => {
      if (message === TAKEN) resolve();
    });
  });
  return {
    onGone: (then) => {
      whenGone = then;
      if (!process.connected) then();
    },
    ready: async () => {
      // From here on this process serves, whatever becomes of the other.
      whenGone = () => {};
      await send({ kind: 'ready' });
      await over;
      if (process.connected) process.disconnect();
    },
    failed: async (problems) => {
      await send({ kind: 'failed', problems });
      // It would keep this process.
      if (process.connected) process.disconnect();
    },
  };
};
