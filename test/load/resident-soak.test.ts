/**
 * Workers that stay, called again and again: their memory and the gateway's stay bounded, and no call is lost while
 * workers are replaced. `npm run soak:resident` makes a million calls of it.
 */
import { expect, test, vi } from 'vitest';
import { serve } from '../support/command.ts';
import { anyContract, handler, writeProject } from '../support/project.ts';
import { LITTLE_GARBAGE, watchMemory } from './memory.ts';

const CALLS = Number(process.env.SOAK_CALLS ?? 40_000);
const BATCH = 10_000;
const WORKERS = 3;
/** Each worker is replaced several times, however few the calls are. */
const CALLS_MAX = Math.max(1000, CALLS / 100);
const MB = 1_048_576;

// A million calls take four minutes here.
vi.setConfig({ testTimeout: 3_600_000 });

interface ResidentStatus {
  readonly workers: readonly { readonly memoryBytes: number; readonly served: number }[];
  readonly restarts: Readonly<Record<string, number>>;
}

/** One batch of calls; resolves with how many were answered as they should. */
const callMany = async (url: string): Promise<number> => {
  const lines = Array.from({ length: BATCH }, (_, n) => `{"input":{"n":${n}}}\n`).join('');
  const headers = { 'content-type': 'application/x-ndjson' };
  const response = await fetch(`${url}/functions/double/batch`, { method: 'POST', headers, body: lines });
  let good = 0;
  for (const line of (await response.text()).trim().split('\n')) {
    const { index, output } = JSON.parse(line) as { index: number; output?: { twice: number } };
    if (output?.twice === 2 * index) good += 1;
  }
  return good;
};

const poolStatus = async (adminUrl: string | undefined): Promise<ResidentStatus> => {
  const { pools } = (await (await fetch(`${adminUrl}/admin/pools`)).json()) as {
    pools: { engine: string; resident?: ResidentStatus }[];
  };
  const status = pools.find(({ engine }) => engine === 'resident')?.resident;
  if (status === undefined) throw new Error('There is no resident pool.');
  return status;
};

test(`${CALLS} calls on one pool: each answered once, workers replaced meanwhile, memory bounded`, async () => {
  const project = writeProject({
    'schemas/double.ts': anyContract("engine: 'resident', idempotent: false"),
    'functions/double.php': handler("return ['twice' => 2 * $input['n']];"),
  });
  const env = {
    ...LITTLE_GARBAGE,
    FPMG_POOLS__DEFAULT__RESIDENT__WORKERS: String(WORKERS),
    FPMG_POOLS__DEFAULT__RESIDENT__CALLS_MAX: String(CALLS_MAX),
  };
  const { url, adminUrl, child } = await serve('start', project, { env });
  // Now code is compiled, and the heap as large as such a load needs it.
  for (let n = 0; n < 2; n += 1) expect(await callMany(url)).toBe(BATCH);
  const { memoryBytes: firstBytes = 0 } = (await poolStatus(adminUrl)).workers.find(({ served }) => served > 0) ?? {};
  const { beforeBytes, mostBytes } = await watchMemory(child.pid, async () => {
    for (let n = 0; n < CALLS / BATCH; n += 1) expect(await callMany(url)).toBe(BATCH);
  });
  const { workers, restarts } = await poolStatus(adminUrl);
  expect((mostBytes - beforeBytes) / MB).toBeLessThan(64);
  for (const { memoryBytes } of workers) expect((memoryBytes - firstBytes) / MB).toBeLessThan(1);
  expect(restarts.calls).toBeGreaterThan(WORKERS);
  expect({ ...restarts, calls: 0 }).toEqual(Object.fromEntries(Object.keys(restarts).map((reason) => [reason, 0])));
});
