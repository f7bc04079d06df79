/** Every limit that applies to a function, in the order a call meets them, with where each is set. Pure. */
import type { ManagedPoolSettings } from '../config-pools.ts';
import { requestTerminateSeconds } from '../pool/fpm-config.ts';
import { isAttached } from '../pool/pool.ts';
import { DEFAULT, type Source } from '../setting-sources.ts';
import type { GatewayFunction } from './function.ts';
import type { LimitPlaces } from './limit-places.ts';

/** The parts of a call's way, in its order. */
export const STAGES = {
  arrives: 'The request arrives',
  asks: 'The caller may ask for less',
  waits: 'It waits for a worker',
  runs: 'PHP runs',
  answers: 'The answer leaves',
  again: 'If it fails, or comes again',
  stops: 'The gateway stops',
} as const;

export type Stage = keyof typeof STAGES;

export interface Limit {
  readonly stage: Stage;
  /** As it is written in settings and contracts. */
  readonly name: string;
  /** `none`: without an end. */
  readonly value: number | string;
  readonly unit: 'ms' | 'bytes' | 'count' | 'word';
  readonly source: Source;
  /** What it bounds. */
  readonly meaning: string;
  /** What a call gets that meets it. */
  readonly code?: string;
}

export interface Ladder {
  readonly function: string;
  readonly pool: string;
  readonly engine: string;
  /** The longest a call may take from the moment its request is read, all attempts together, ms. */
  readonly budgetMs: number;
  readonly parts: readonly { readonly name: string; readonly ms: number }[];
  readonly limits: readonly Limit[];
}

type Row = Omit<Limit, 'stage'>;

const ms = (name: string, value: number, source: Source, meaning: string, code?: string): Row => ({
  name,
  value,
  unit: 'ms',
  source,
  meaning,
  ...(code === undefined ? {} : { code }),
});

const bytes = (name: string, value: number, source: Source, meaning: string, code: string): Row => ({
  ...ms(name, value, source, meaning, code),
  unit: 'bytes',
});

const count = (name: string, value: number, source: Source, meaning: string, code?: string): Row => ({
  ...ms(name, value, source, meaning, code),
  unit: 'count',
});

const word = (name: string, value: string, source: Source, meaning: string, code?: string): Row => ({
  name,
  value,
  unit: 'word',
  source,
  meaning,
  ...(code === undefined ? {} : { code }),
});

interface Parts {
  readonly fn: GatewayFunction;
  readonly places: LimitPlaces;
  /** All functions of the project: those of a pool share its php-fpm. */
  readonly functions: readonly GatewayFunction[];
}

const arrives = ({ fn, places }: Parts): Row[] => {
  const { http, limits } = places.settings;
  const of = (group: string, name: string): [string, Source] => [`${group}.${name}`, places.ofSetting(group, name)];
  const hasFiles = fn.files.size > 0;
  const timeout = hasFiles ? 'uploadTimeoutMs' : 'requestTimeoutMs';
  const [headersName, headersSource] = of('http', 'headersTimeoutMs');
  const [timeoutName, timeoutSource] = of('http', timeout);
  const [fieldsName, fieldsSource] = of('limits', 'fieldsMax');
  const [depthName, depthSource] = of('limits', 'jsonDepth');
  const [bodyName, bodySource] = of('limits', 'bodyMaxBytes');
  const [uploadName, uploadSource] = of('limits', 'uploadMaxBytes');
  const contract = places.fileOf(fn.name);
  return [
    ms(
      headersName,
      Math.min(http.headersTimeoutMs, http.requestTimeoutMs),
      headersSource,
      'for its headers',
      'request-timeout',
    ),
    ms(
      timeoutName,
      http[timeout],
      timeoutSource,
      hasFiles ? 'for all of it, with files' : 'for all of it',
      'request-timeout',
    ),
    bytes(
      bodyName,
      limits.bodyMaxBytes,
      bodySource,
      hasFiles ? 'its body, without files' : 'its body',
      'body-too-large',
    ),
    ...(hasFiles ? [bytes(uploadName, limits.uploadMaxBytes, uploadSource, 'all files of it', 'body-too-large')] : []),
    ...[...fn.files].map(([name, { maxBytes, many, maxCount }]) =>
      bytes(
        name === '' ? 'input' : `input.${name}`,
        maxBytes,
        contract === undefined ? DEFAULT : { kind: 'contract', file: contract, property: 'input' },
        many ? `each of ${maxCount} files` : 'this file',
        'file-too-large',
      ),
    ),
    count(fieldsName, limits.fieldsMax, fieldsSource, 'fields and files', 'too-many-fields'),
    count(depthName, limits.jsonDepth, depthSource, 'nesting of its JSON', 'json-too-deep'),
  ];
};

const asks = (): Row[] => {
  const source: Source = { kind: 'elsewhere', place: 'a header of the call' };
  const hint = (name: string, example: string): Row =>
    word(name, example, source, 'less than all that follows', 'deadline-exceeded');
  return [hint('x-request-timeout-ms', 'e.g. 250'), hint('grpc-timeout', 'e.g. 2S'), hint('prefer', 'e.g. wait=2')];
};

const waits = ({ fn, places }: Parts): Row[] => {
  const pool = places.settings.pools[fn.pool];
  if (pool === undefined) return [];
  const { name } = fn;
  const of = (...member: readonly string[]): Source => places.ofPool(fn, ...member);
  const minWorkers = isAttached(pool) ? 1 : fn.engine === 'fpm' ? pool.minWorkers : pool.resident.minWorkers;
  const rows = [
    word('priority', fn.priority, places.ofMember(fn, 'priority'), 'before or behind other functions'),
    fn.inFlightMax === undefined
      ? word('inFlightMax', 'none', DEFAULT, `calls of ${name} at once`, 'concurrency-limit')
      : count(
          'inFlightMax',
          fn.inFlightMax,
          places.ofMember(fn, 'inFlightMax'),
          `calls of ${name} at once`,
          'concurrency-limit',
        ),
    count('queueMax', pool.queueMax, of('queueMax'), `calls that wait for ${fn.pool}`, 'overloaded'),
    pool.queueTargetMs === 0
      ? word('queueTargetMs', 'none', of('queueTargetMs'), 'every call may wait', 'overloaded')
      : ms('queueTargetMs', pool.queueTargetMs, of('queueTargetMs'), 'a standing queue is overload', 'overloaded'),
    ms('queueTimeoutMs', fn.queueTimeoutMs, places.ofMember(fn, 'queueTimeoutMs'), 'for a worker', 'queue-timeout'),
    ms('connectTimeoutMs', pool.connectTimeoutMs, of('connectTimeoutMs'), 'to connect to it', 'pool-unavailable'),
  ];
  if (isAttached(pool) || minWorkers > 0) return rows;
  return [...rows, ...sleeps(fn, pool, places)];
};

/** A pool that sleeps wakes while the call waits: both ends of that. */
const sleeps = (fn: GatewayFunction, pool: ManagedPoolSettings, places: LimitPlaces): Row[] => [
  ms('sleepAfterMs', pool.sleepAfterMs, places.ofPool(fn, 'sleepAfterMs'), 'without a call, then the pool sleeps'),
  fn.engine === 'resident'
    ? ms(
        'resident.bootstrapTimeoutMs',
        pool.resident.bootstrapTimeoutMs,
        places.ofPool(fn, 'resident', 'bootstrapTimeoutMs'),
        'to wake it; the call waits queueTimeoutMs',
        'pool-unavailable',
      )
    : ms('cold start', fn.queueTimeoutMs, { kind: 'computed', from: 'queueTimeoutMs' }, 'to wake it', 'queue-timeout'),
];

const ELSEWHERE: Source = { kind: 'elsewhere', place: 'where its php-fpm is run' };

const runs = ({ fn, places, functions }: Parts): Row[] => {
  const pool = places.settings.pools[fn.pool];
  if (pool === undefined) return [];
  const rows = [
    ms('timeoutMs', fn.timeoutMs, places.ofMember(fn, 'timeoutMs'), 'for PHP, each attempt', 'function-timeout'),
  ];
  if (isAttached(pool)) {
    return [
      ...rows,
      word('max_execution_time', 'unknown', ELSEWHERE, 'CPU time', 'function-error'),
      word('request_terminate_timeout', 'unknown', ELSEWHERE, 'php-fpm ends the worker', 'worker-crashed'),
      word('memory_limit', 'unknown', ELSEWHERE, 'memory of one call', 'function-out-of-memory'),
    ];
  }
  const cpuSeconds = Number(pool.ini.max_execution_time ?? 0);
  const own = functions.filter((other) => other.pool === fn.pool);
  const longest = own.toSorted((a, b) => b.timeoutMs - a.timeoutMs)[0] ?? fn;
  const cpuSource = places.ofPool(fn, 'ini', 'max_execution_time');
  rows.push(
    cpuSeconds === 0
      ? word('max_execution_time', 'none', cpuSource, 'CPU time', 'function-error')
      : ms('max_execution_time', cpuSeconds * 1000, cpuSource, 'CPU time', 'function-error'),
  );
  if (fn.engine === 'fpm') {
    const terminateMs = requestTerminateSeconds(longest.timeoutMs, pool) * 1000;
    const from = `timeoutMs of ${longest.name}, the longest of the pool, and its idleMs`;
    const source: Source = { kind: 'computed', from };
    rows.push(ms('request_terminate_timeout', terminateMs, source, 'if the gateway has died', 'worker-crashed'));
  }
  const memory = String(pool.ini.memory_limit ?? '128M');
  rows.push(
    word(
      'memory_limit',
      memory,
      places.ofPool(fn, 'ini', 'memory_limit'),
      'memory of one call',
      'function-out-of-memory',
    ),
  );
  return rows;
};

const answers = ({ fn, places }: Parts): Row[] => {
  const { limits, http } = places.settings;
  if (fn.output.kind !== 'stream') {
    const source = places.ofSetting('limits', 'responseMaxBytes');
    return [bytes('limits.responseMaxBytes', limits.responseMaxBytes, source, 'its result', 'response-too-large')];
  }
  const item = places.ofSetting('limits', 'itemMaxBytes');
  const idle = places.ofSetting('http', 'idleWriteTimeoutMs');
  return [
    bytes('limits.itemMaxBytes', limits.itemMaxBytes, item, 'one item of its stream', 'response-too-large'),
    ms('http.idleWriteTimeoutMs', http.idleWriteTimeoutMs, idle, 'a reader that takes nothing', 'slow-reader'),
  ];
};

const again = ({ fn, places }: Parts): Row[] => {
  const { breaker, idempotency } = places.settings;
  const { attempts, baseMs, maxMs } = fn.retry;
  const said = places.ofMember(fn, 'onDisconnect');
  const leaving: Source = said.kind === 'default' && fn.idempotent ? { kind: 'computed', from: 'idempotent' } : said;
  const breakerOf = (name: string): Source => places.ofSetting('breaker', name);
  const safe = fn.idempotent ? 'idempotent: whatever it did' : 'only what did not run';
  const rows = [
    count('retry.attempts', attempts, places.ofMember(fn, 'retry', 'attempts'), `attempts in all; ${safe}`),
    ms('retry.baseMs', baseMs, places.ofMember(fn, 'retry', 'baseMs'), 'first delay, at random below it'),
    ms('retry.maxMs', maxMs, places.ofMember(fn, 'retry', 'maxMs'), 'longest delay'),
    word('retry budget', '20 %', DEFAULT, 'retries, of the calls; 10 in a row'),
  ];
  if (breaker.errorRate === 0) rows.push(word('breaker.errorRate', 'none', breakerOf('errorRate'), 'it never opens'));
  else {
    const share = `${Math.round(breaker.errorRate * 100)} %`;
    const calls = `failed, of ${breaker.callsMin} calls or more`;
    rows.push(
      word('breaker.errorRate', share, breakerOf('errorRate'), calls, 'circuit-open'),
      ms('breaker.windowMs', breaker.windowMs, breakerOf('windowMs'), 'looked back upon'),
      ms('breaker.openMs', breaker.openMs, breakerOf('openMs'), 'open before one tries again'),
    );
  }
  rows.push(
    word('onDisconnect', fn.onDisconnect, leaving, 'when the caller leaves', 'client-closed'),
    word('idempotencyKey', fn.idempotencyKey, places.ofMember(fn, 'idempotencyKey'), 'whether callers name operations'),
  );
  if (fn.idempotencyKey === 'off') return rows;
  const ttl = places.ofSetting('idempotency', 'ttlMs');
  return [...rows, ms('idempotency.ttlMs', idempotency.ttlMs, ttl, 'the answer to a key is kept')];
};

const stops = ({ places }: Parts): Row[] => {
  const { shutdownGraceMs } = places.settings;
  const source = places.ofSetting('shutdownGraceMs');
  return [ms('shutdownGraceMs', shutdownGraceMs, source, 'to end what runs', 'shutting-down')];
};

const rowsOf: Readonly<Record<Stage, (parts: Parts) => Row[]>> = { arrives, asks, waits, runs, answers, again, stops };

export const ladderOf = (fn: GatewayFunction, places: LimitPlaces, functions: Iterable<GatewayFunction>): Ladder => {
  const parts = { fn, places, functions: [...functions] };
  const connectMs = places.settings.pools[fn.pool]?.connectTimeoutMs ?? 0;
  return {
    function: fn.name,
    pool: fn.pool,
    engine: fn.engine,
    budgetMs: fn.queueTimeoutMs + connectMs + fn.timeoutMs,
    parts: [
      { name: 'queue', ms: fn.queueTimeoutMs },
      { name: 'connect', ms: connectMs },
      { name: 'PHP', ms: fn.timeoutMs },
    ],
    limits: (Object.keys(STAGES) as Stage[]).flatMap((stage) =>
      rowsOf[stage](parts).map((row): Limit => ({ stage, ...row })),
    ),
  };
};
