/** Limits that contradict each other: what is refused, what is told, and what is nobody's fault. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { resolveFunction } from '../../gateway/invoke/function.ts';
import { attachedLimitWarnings, ladderProblems, RULES } from '../../gateway/invoke/ladder-rules.ts';
import { readSettings } from '../../gateway/settings.ts';

const FILE = 'deploy/gateway.config.ts';

const found = (config: object, contract: object = {}, env: Readonly<Record<string, string>> = {}) => {
  const { settings, sources } = readSettings(config, env, FILE);
  const members = { input: z.any(), output: z.any(), ...contract };
  const { fn, problems } = resolveFunction({ name: 'slow', file: 'schemas/slow.ts', exported: members }, settings);
  if (fn === undefined) throw new Error(JSON.stringify(problems));
  const contracts = new Map([['slow', { file: 'schemas/slow.ts', members }]]);
  return ladderProblems({ settings, sources, functions: new Map([['slow', fn]]), contracts });
};

const pool = (members: object) => ({ pools: { default: members } });
const RESIDENT = { engine: 'resident' };

const refused: [string, object, object, string, RegExp][] = [
  [
    'headers may take longer than the request they are part of',
    { http: { headersTimeoutMs: 60_000 } },
    {},
    'http.headersTimeoutMs',
    /60000.*requestTimeoutMs, 30000 ms/,
  ],
  [
    'a request with files has less time than one without',
    { http: { uploadTimeoutMs: 10_000 } },
    {},
    'http.uploadTimeoutMs',
    /10000.*requestTimeoutMs, 30000 ms/,
  ],
  [
    'one body is larger than the room for all',
    { limits: { bodyMaxBytes: 3_000_000, buffersMaxBytes: 2_000_000 } },
    {},
    'limits.bodyMaxBytes',
    /3000000.*buffersMaxBytes, 2000000/,
  ],
  [
    'PHP ends itself before its time is up',
    pool({ ini: { max_execution_time: 5 } }),
    { timeoutMs: 6000 },
    'timeoutMs',
    /6000.*after 5 s/,
  ],
];

const warned: [string, object, object, string, RegExp][] = [
  [
    'nobody may wait for a pool that sleeps',
    pool({ minWorkers: 0 }),
    { queueTimeoutMs: 0 },
    'queueTimeoutMs',
    /is 0, but the pool default sleeps/,
  ],
  [
    'a bootstrap may take longer than calls wait for it',
    pool({ minWorkers: 0, resident: { bootstrapTimeoutMs: 60_000 } }),
    RESIDENT,
    'pools.default.resident.bootstrapTimeoutMs',
    /60000.*wait 5000 ms at most/,
  ],
  [
    'calls give up before overload is seen',
    pool({ queueTargetMs: 9000 }),
    {},
    'pools.default.queueTargetMs',
    /9000.*longer than 5000 ms/,
  ],
  [
    'a batch ends before one of its items may',
    { batch: { timeoutMs: 10_000 } },
    {},
    'batch.timeoutMs',
    /10000.*slow may run for 30000 ms/,
  ],
  ['a stop cuts calls off that may run on', { shutdownGraceMs: 1000 }, {}, 'shutdownGraceMs', /1000.*30000 ms/],
  [
    'PHP has too little memory for what it may be sent',
    { limits: { bodyMaxBytes: 100_000_000 } },
    {},
    'pools.default.ini.memory_limit',
    /128M.*100000000 bytes of limits\.bodyMaxBytes/,
  ],
  [
    'a worker is to hold more than PHP lets it',
    pool({ ini: { memory_limit: '64M' }, resident: { memoryMaxBytes: 100_000_000 } }),
    RESIDENT,
    'pools.default.resident.memoryMaxBytes',
    /100000000.*memory_limit, 64M/,
  ],
  [
    'one item of a stream may be larger than a whole answer',
    { limits: { itemMaxBytes: 10_000_000 } },
    {},
    'limits.itemMaxBytes',
    /10000000.*responseMaxBytes, 8388608/,
  ],
  [
    'a batch is smaller than one of its items may be',
    { batch: { maxBytes: 1000 } },
    {},
    'batch.maxBytes',
    /1000.*bodyMaxBytes, 1048576/,
  ],
  [
    'the answer to a key is forgotten while its call may run',
    { idempotency: { ttlMs: 5000 } },
    {},
    'idempotency.ttlMs',
    /5000.*slow may take 35000 ms/,
  ],
];

describe('a ladder that can never work is refused, with its place and its cure', () => {
  test.each(refused)('%s', (_, config, contract, property, detail) => {
    const { problems, warnings } = found(config, contract);
    expect(problems).toMatchObject([{ property, detail: expect.stringMatching(detail) }]);
    expect(warnings).toEqual([]);
  });
});

describe('one that is likely a mistake is a warning', () => {
  test.each(warned)('%s', (_, config, contract, property, detail) => {
    const { problems, warnings } = found(config, contract);
    expect(warnings).toMatchObject([{ property, detail: expect.stringMatching(detail) }]);
    expect(problems).toEqual([]);
  });
});

test('each rule has a row here', () => {
  expect([...refused, ...warned].map(([name]) => name)).toEqual(
    [...RULES].sort((a, b) => a.verdict.localeCompare(b.verdict)).map(({ name }) => name),
  );
});

test.each<[string, object, object]>([
  ['nothing is said', {}, {}],
  ['a test makes requests fail soon: headers then have no longer', { http: { requestTimeoutMs: 500 } }, {}],
  ['a function is slow, and nobody spoke of the stop', {}, { timeoutMs: 600_000 }],
  ['a stream outlives the stop', { shutdownGraceMs: 1000 }, { output: { kind: 'stream', item: z.any() } }],
  ['a pool that sleeps wakes with the usual bootstrap', pool({ minWorkers: 0 }), RESIDENT],
  ['queueTargetMs is 0: nobody judges', pool({ queueTargetMs: 0 }), { queueTimeoutMs: 0 }],
])('nothing is found where %s', (_, config, contract) => {
  expect(found(config, contract)).toEqual({ problems: [], warnings: [] });
});

test('all that is wrong is told at once, each where it was written', () => {
  const env = { FPMG_HTTP__UPLOAD_TIMEOUT_MS: '2000', FPMG_FUNCTIONS__SLOW__TIMEOUT_MS: '9000' };
  const config = { http: { headersTimeoutMs: 90_000 }, ...pool({ ini: { max_execution_time: 5 } }) };
  expect(found(config, { timeoutMs: 1000 }, env).problems).toMatchObject([
    { file: FILE, property: 'http.headersTimeoutMs' },
    { file: 'FPMG_HTTP__UPLOAD_TIMEOUT_MS' },
    { file: 'FPMG_FUNCTIONS__SLOW__TIMEOUT_MS' },
  ]);
});

test('PHP that somebody else runs is told of when its own limit is the shorter one', () => {
  const limits = { postMaxBytes: 0, uploadMaxBytes: 0, uploadsMax: 1, inputVarsMax: 1000 };
  const { settings } = readSettings({}, {}, FILE);
  const source = { name: 'slow', file: 'schemas/slow.ts', exported: { input: z.any(), output: z.any() } };
  const { fn } = resolveFunction(source, settings);
  const warningsAt = (maxExecutionSeconds: number) =>
    attachedLimitWarnings('default', { ...limits, maxExecutionSeconds }, fn === undefined ? [] : [fn]);
  expect(warningsAt(10)).toMatchObject([
    { property: 'pools.default', detail: expect.stringMatching(/after 10 s.*slow may run for 30000 ms/) },
  ]);
  expect([...warningsAt(0), ...warningsAt(30)]).toEqual([]);
});
