/** The thread in which SQLite may block: on a lock of another process, or until the disk has what it was given. */
import { parentPort, workerData } from 'node:worker_threads';
import { KeyFile } from './key-file.ts';
import { KeyTasks } from './key-tasks.ts';
import type { KeyReply, KeyRequest, ThreadOptions } from './messages.ts';
import { isGone } from './owner.ts';

const SWEEP_EVERY_MS = 60_000;
/** Others have their turn between steps. */
const SWEEP_ON_MS = 20;
const SETTLE_EVERY_MS = 1000;

const options = workerData as ThreadOptions;
const tasks = new KeyTasks(options.path, () => KeyFile.open({ ...options, isGone, now: Date.now }));
let waiting: KeyRequest[] = [];

const flush = (): void => {
  const group = waiting;
  waiting = [];
  const results = tasks.run(group.map(({ task }) => task));
  const isLast = group.some(({ task }) => task.task === 'close');
  // Whoever hears of it may end this thread.
  if (isLast) close();
  else if (tasks.owes) settling ??= setTimeout(settle, SETTLE_EVERY_MS);
  parentPort?.postMessage(
    group.flatMap(({ number }, at): KeyReply[] => {
      const result = results[at];
      return result === undefined ? [] : [{ number, result }];
    }),
  );
  if (isLast) parentPort?.close();
};

const sweep = (): void => {
  tasks.settle();
  const result = tasks.isOpen ? tasks.run([{ task: 'sweep' }])[0] : undefined;
  const isSwept = result?.kind !== 'ok' || result.isSwept;
  sweeping = setTimeout(sweep, isSwept ? SWEEP_EVERY_MS : SWEEP_ON_MS);
};

let sweeping = setTimeout(sweep, SWEEP_EVERY_MS);

/** Runs only while there is something to be done: a gateway that sleeps is not woken. */
let settling: NodeJS.Timeout | undefined;
const settle = (): void => {
  tasks.settle();
  settling = tasks.owes ? setTimeout(settle, SETTLE_EVERY_MS) : undefined;
};

const close = (): void => {
  clearTimeout(sweeping);
  clearTimeout(settling);
  tasks.close();
};

parentPort?.on('message', (request: KeyRequest) => {
  // All that is there by then goes in one transaction.
  if (waiting.length === 0) setImmediate(flush);
  waiting.push(request);
});
