/** Workers behind one address, without functions: calls go straight to their slots. */
import { onTestFinished } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import { type Address, collect } from '../../gateway/fastcgi/index.ts';
import { silentLog } from '../../gateway/log.ts';
import { type FpmBackendOptions, fpmBackend, type SerialBackend, type Slot } from '../../gateway/pool/backend.ts';
import { Cores } from '../../gateway/pool/cores.ts';
import { RUNTIME_VERSION } from '../../gateway/pool/envelope.ts';
import { LINE_MAX_MS, Workload } from '../../gateway/pool/workload.ts';
import { endRequest, pingAnswer, stdout } from '../wire/codec.ts';
import { type FakePeer, readPing, readRequest, type Step, send } from './fake-fastcgi.ts';
import { atOnce } from './pipelined.ts';
import { runtime } from './raw-fpm.ts';

const LIMITS = { headMaxBytes: 16_384, bodyMaxBytes: 100_000, stderrMaxBytes: 4096 };

export const startBackend = (address: Address, more: Partial<FpmBackendOptions> = {}): SerialBackend => {
  const backend = fpmBackend({
    address,
    paths: { root: '/', runtime, bootstrap: '' },
    grace: undefined,
    workers: 1,
    idleMs: 600_000,
    limit: undefined,
    forksOnDemand: false,
    pipelines: true,
    cores: new Cores(2),
    connectTimeoutMs: 30_000,
    log: silentLog,
    onFree: () => {},
    ...more,
  });
  onTestFinished(() => backend.destroy());
  return backend;
};

/** Of a function that is known to be so. */
export const workloadOf = (usage: { wallMs: number; cpuMs: number }): Workload => {
  const workload = new Workload();
  for (let n = 0; n < 5; n += 1) workload.record({ pid: 1, peakBytes: 0, waits: 1, ...usage });
  return workload;
};

export const shortWork = (): Workload => workloadOf({ wallMs: 0.1, cpuMs: 0.05 });

export interface Outcome {
  /** `ok`, or the error's code. */
  readonly code: string;
  readonly executed: string;
  readonly body: string;
}

export interface SlotCall {
  readonly params: readonly (readonly [string, string])[];
  readonly timeLimitMs?: number;
  readonly remainingMs?: number;
  /** The worker may be busy behind its answer. */
  readonly doubtful?: boolean;
}

/** Runs one call on a slot and gives the slot back. */
export const runOn = async (slot: Slot, call: SlotCall): Promise<Outcome> => {
  const { params, timeLimitMs = 600_000, remainingMs = 600_000, doubtful = false } = call;
  const request = {
    attemptId: 'call.1',
    encodedParams: Buffer.alloc(0),
    params,
    body: Buffer.alloc(0),
    onFreed: undefined,
  };
  try {
    const { body } = await slot.run({ ...request, timeLimitMs, remainingMs }, (connection, sent, over) =>
      collect(connection, sent, LIMITS, over),
    );
    return { code: 'ok', executed: 'yes', body: body.toString() };
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    return { code: error.code, executed: error.executed, body: '' };
  } finally {
    slot.release(doubtful);
  }
};

/** All in one moment: the first on a worker of its own, the others behind it. */
export const inLine = (
  backend: SerialBackend,
  calls: readonly SlotCall[],
  workload = shortWork(),
): Promise<Outcome>[] => {
  const placed = { workload, mayShare: true, awaited: false };
  return atOnce(() =>
    calls.map((call, at) => {
      const slot = at === 0 ? backend.take(placed, () => {}) : backend.takeBehind(placed, LINE_MAX_MS, () => {});
      if (slot === undefined) throw new Error(`There is no room for call ${at}.`);
      return runOn(slot, call);
    }),
  );
};

/** The body of a worker's answer to the gateway's first, harmless call. */
const primedBody = (peer: FakePeer): string => {
  const attemptId = peer.requests.at(-1)?.params.find(([name]) => name === 'FPMG_ATTEMPT_ID')?.[1] ?? '';
  const usage = { pid: 1, peakBytes: 0, cpuMs: 0, wallMs: 0, waits: 0 };
  const limits = { postMaxBytes: 0, uploadMaxBytes: 0, uploadsMax: 20, inputVarsMax: 1000 };
  const facts = { phpVersion: '8.3.0', opcache: true, pidNamespace: 'elsewhere', limits };
  const meta = JSON.stringify({ outcome: 'primed', runtimeVersion: RUNTIME_VERSION, ...usage, ...facts });
  return `FPMG1 ${attemptId} ${meta.length} 0\n${meta}`;
};

/** A peer that passes for a worker of ours, on which nothing can be killed. */
export const passForWorker: Step = async (peer) => {
  await readPing(peer);
  await readRequest(peer);
  await send(pingAnswer(), stdout(`\r\n${primedBody(peer)}`), endRequest())(peer);
};
