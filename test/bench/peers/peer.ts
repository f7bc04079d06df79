/** What is compared: something that answers HTTP by running PHP. */
import { request } from 'node:http';
import { until } from '../../support/until.ts';
import type { Running } from '../life.ts';
import type { Target } from '../load.ts';
import { checkAnswer, type Workload } from '../workloads.ts';

const START_MAX_MS = 20_000;

export interface Peer {
  readonly name: string;
  /** Its processes: those below them belong to it, too. */
  readonly pids: readonly number[];
  target(workload: Workload): Target;
  stop(): Promise<void>;
}

export const post = ({ port, paths: [path], body }: Target): Promise<{ status: number; bytes: Buffer }> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const outgoing = request({ port, path, headers, host: '127.0.0.1', method: 'POST', agent: false }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, bytes: Buffer.concat(chunks) }));
      incoming.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });

/** Throws unless it gives the right answer. */
export const proveAnswer = async (peer: Peer, workload: Workload): Promise<void> => {
  const { status, bytes } = await post(peer.target(workload));
  checkAnswer(workload, status, bytes);
};

/** Until something listens there; throws what the program said when it ends instead. */
export const untilListening = async (what: string, running: Running, port: number): Promise<void> => {
  await until(
    `${what} listens`,
    async () => {
      if (running.hasEnded())
        throw new Error(`${what} ended: ${running.said().trim().split('\n').slice(-3).join(' ')}`);
      return await post({ port, paths: ['/'], body: '' }).then(
        () => true,
        () => false,
      );
    },
    START_MAX_MS,
  );
};
