/**
 * Limits that contradict each other, found before the first call: one table. What can never work as it is written is
 * refused; what works, but hardly as it was meant, is a warning. Defaults are never blamed for each other. Pure.
 */

import type { Settings } from '../config.ts';
import type { ManagedPoolSettings } from '../config-pools.ts';
import type { PhpLimits } from '../pool/envelope.ts';
import { iniBytes } from '../pool/fpm-config.ts';
import { isAttached } from '../pool/pool.ts';
import type { SettingSources, Source } from '../setting-sources.ts';
import type { StartupProblem } from '../startup.ts';
import type { GatewayFunction } from './function.ts';
import { type ContractText, LimitPlaces } from './limit-places.ts';

export interface LadderFacts {
  readonly settings: Settings;
  readonly sources: SettingSources;
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly contracts: ReadonlyMap<string, ContractText>;
}

interface Context extends LadderFacts {
  readonly places: LimitPlaces;
  readonly all: readonly GatewayFunction[];
}

type Place = Pick<StartupProblem, 'file' | 'property'>;

export interface Rule {
  /** What is wrong, in a few words. */
  readonly name: string;
  readonly verdict: 'refuse' | 'warn';
  readonly find: (context: Context) => readonly StartupProblem[];
}

const MEMORY_LIMIT = '128M';

/** Where to mend it: where it was written, or else could be. */
const placed = (source: Source, file: string, property: string): Place => {
  if (source.kind === 'environment') return { file: source.variable };
  if (source.kind === 'config' || source.kind === 'contract') return { file: source.file, property: source.property };
  return { file, property };
};

const settingPlace = ({ sources }: LadderFacts, ...path: readonly string[]): Place =>
  placed(sources.of(...path), sources.file, path.join('.'));

const memberPlace = ({ places, sources }: Context, fn: GatewayFunction, member: string): Place =>
  placed(places.ofMember(fn, member), places.fileOf(fn.name) ?? sources.file, member);

const of = ({ functions }: LadderFacts, pool: string): GatewayFunction[] =>
  [...functions.values()].filter((fn) => fn.pool === pool);

const longest = (functions: readonly GatewayFunction[]): GatewayFunction | undefined =>
  functions.toSorted((a, b) => b.timeoutMs - a.timeoutMs)[0];

const managedPools = ({ settings }: LadderFacts): [string, ManagedPoolSettings][] =>
  Object.entries(settings.pools).flatMap(([name, pool]) => (isAttached(pool) ? [] : [[name, pool]]));

/** A pool nobody uses is not started. */
const usedPools = (facts: LadderFacts): [string, ManagedPoolSettings, GatewayFunction[]][] =>
  managedPools(facts).flatMap(([name, pool]) => {
    const own = of(facts, name);
    return own.length === 0 ? [] : [[name, pool, own]];
  });

export const RULES: readonly Rule[] = [
  {
    name: 'headers may take longer than the request they are part of',
    verdict: 'refuse',
    find: (context) => {
      const { headersTimeoutMs, requestTimeoutMs } = context.settings.http;
      if (headersTimeoutMs <= requestTimeoutMs || !context.sources.isSaid('http', 'headersTimeoutMs')) return [];
      const detail = `It is ${headersTimeoutMs}, but the whole request has http.requestTimeoutMs, ${requestTimeoutMs} ms: lower it, or raise that.`;
      return [{ ...settingPlace(context, 'http', 'headersTimeoutMs'), detail }];
    },
  },
  {
    name: 'a request with files has less time than one without',
    verdict: 'refuse',
    find: (context) => {
      const { uploadTimeoutMs, requestTimeoutMs } = context.settings.http;
      if (uploadTimeoutMs >= requestTimeoutMs || !context.sources.isSaid('http', 'uploadTimeoutMs')) return [];
      const detail = `It is ${uploadTimeoutMs}, but a request without files has http.requestTimeoutMs, ${requestTimeoutMs} ms: raise it, or lower that.`;
      return [{ ...settingPlace(context, 'http', 'uploadTimeoutMs'), detail }];
    },
  },
  {
    name: 'one body is larger than the room for all',
    verdict: 'refuse',
    find: (context) => {
      const { bodyMaxBytes, buffersMaxBytes } = context.settings.limits;
      if (bodyMaxBytes <= buffersMaxBytes) return [];
      const detail = `It is ${bodyMaxBytes}, but all bodies in memory together may have limits.buffersMaxBytes, ${buffersMaxBytes}: a larger one would be told to try again for ever. Lower it, or raise that.`;
      return [{ ...settingPlace(context, 'limits', 'bodyMaxBytes'), detail }];
    },
  },
  {
    name: 'PHP ends itself before its time is up',
    verdict: 'refuse',
    find: (context) =>
      context.all.flatMap((fn) => {
        const pool = context.settings.pools[fn.pool];
        const seconds = pool !== undefined && !isAttached(pool) ? Number(pool.ini.max_execution_time ?? 0) : 0;
        if (seconds === 0 || seconds * 1000 >= fn.timeoutMs) return [];
        const detail = `timeoutMs is ${fn.timeoutMs}, but pools.${fn.pool}.ini.max_execution_time ends PHP after ${seconds} s: raise that or lower timeoutMs.`;
        return [{ ...memberPlace(context, fn, 'timeoutMs'), detail }];
      }),
  },
  {
    name: 'nobody may wait for a pool that sleeps',
    verdict: 'warn',
    find: (context) =>
      usedPools(context).flatMap(([name, pool, own]) => {
        if (pool.minWorkers > 0 || !own.some(({ engine }) => engine === 'fpm')) return [];
        return own
          .filter(({ engine, queueTimeoutMs }) => engine === 'fpm' && queueTimeoutMs === 0)
          .map((fn) => ({
            ...memberPlace(context, fn, 'queueTimeoutMs'),
            detail: `It is 0, but the pool ${name} sleeps, and waking it takes some tenths of a second: the calls that wake it are refused. Raise it, or say minWorkers: 1.`,
          }));
      }),
  },
  {
    name: 'a bootstrap may take longer than calls wait for it',
    verdict: 'warn',
    find: (context) =>
      usedPools(context).flatMap(([name, { resident }, own]) => {
        const path = ['pools', name, 'resident', 'bootstrapTimeoutMs'];
        if (resident.minWorkers > 0 || !context.sources.isSaid(...path)) return [];
        const patient = own.filter(({ engine }) => engine === 'resident').map((fn) => fn.queueTimeoutMs);
        const most = Math.max(...patient);
        if (patient.length === 0 || resident.bootstrapTimeoutMs <= most) return [];
        const detail = `It is ${resident.bootstrapTimeoutMs}, but the pool sleeps, and calls wait ${most} ms at most (queueTimeoutMs) for it to wake: with a bootstrap that takes longer, each that wakes it is refused. Raise queueTimeoutMs, or keep a worker (minWorkers: 1).`;
        return [{ ...settingPlace(context, ...path), detail }];
      }),
  },
  {
    name: 'calls give up before overload is seen',
    verdict: 'warn',
    find: (context) =>
      Object.entries(context.settings.pools).flatMap(([name, { queueTargetMs }]) => {
        const path = ['pools', name, 'queueTargetMs'];
        const most = Math.max(...of(context, name).map((fn) => fn.queueTimeoutMs));
        if (queueTargetMs === 0 || queueTargetMs <= most || most < 0 || !context.sources.isSaid(...path)) return [];
        const detail = `It is ${queueTargetMs}, but no call of the pool waits longer than ${most} ms (queueTimeoutMs): lower it, or say 0 if every call may wait for its queueTimeoutMs.`;
        return [{ ...settingPlace(context, ...path), detail }];
      }),
  },
  {
    name: 'a batch ends before one of its items may',
    verdict: 'warn',
    find: (context) => {
      const { timeoutMs } = context.settings.batch;
      const fn = longest(context.all.filter(({ output }) => output.kind !== 'stream'));
      if (fn === undefined || fn.timeoutMs <= timeoutMs || !context.sources.isSaid('batch', 'timeoutMs')) return [];
      const detail = `It is ${timeoutMs} for a whole batch, but one call of ${fn.name} may run for ${fn.timeoutMs} ms (timeoutMs): as an item it is cut off. Raise it, or lower that.`;
      return [{ ...settingPlace(context, 'batch', 'timeoutMs'), detail }];
    },
  },
  {
    name: 'a stop cuts calls off that may run on',
    verdict: 'warn',
    find: (context) => {
      const { shutdownGraceMs } = context.settings;
      // Streams have no end of their own: they are ended anyway.
      const fn = longest(context.all.filter(({ output }) => output.kind !== 'stream'));
      if (fn === undefined || fn.timeoutMs <= shutdownGraceMs || !context.sources.isSaid('shutdownGraceMs')) return [];
      const detail = `It is ${shutdownGraceMs}, but ${fn.name} may run for ${fn.timeoutMs} ms (timeoutMs): a stop cuts such calls off. Raise it, and what your service manager allows for a stop.`;
      return [{ ...settingPlace(context, 'shutdownGraceMs'), detail }];
    },
  },
  {
    name: 'PHP has too little memory for what it may be sent',
    verdict: 'warn',
    find: (context) =>
      usedPools(context).flatMap(([name, { ini }, own]) => {
        const text = String(ini.memory_limit ?? MEMORY_LIMIT);
        const { bodyMaxBytes, responseMaxBytes } = context.settings.limits;
        // A stream's answer is never in memory as a whole.
        const isWhole = own.some(({ output }) => output.kind !== 'stream');
        const larger = isWhole && responseMaxBytes > bodyMaxBytes ? 'responseMaxBytes' : 'bodyMaxBytes';
        const bytes = context.settings.limits[larger];
        if (iniBytes(text) >= 2 * bytes) return [];
        const isSaid = context.sources.isSaid('pools', name, 'ini', 'memory_limit');
        if (!isSaid && !context.sources.isSaid('limits', larger)) return [];
        const detail = `memory_limit is ${text}, but PHP needs twice the ${bytes} bytes of limits.${larger}, for the text and for the value in it: raise it, or lower limits.${larger}.`;
        return [{ ...settingPlace(context, 'pools', name, 'ini', 'memory_limit'), detail }];
      }),
  },
  {
    name: 'a worker is to hold more than PHP lets it',
    verdict: 'warn',
    find: (context) =>
      usedPools(context).flatMap(([name, { ini, resident }, own]) => {
        const path = ['pools', name, 'resident', 'memoryMaxBytes'];
        const text = String(ini.memory_limit ?? MEMORY_LIMIT);
        if (!own.some(({ engine }) => engine === 'resident') || !context.sources.isSaid(...path)) return [];
        if (resident.memoryMaxBytes <= iniBytes(text)) return [];
        const detail = `It is ${resident.memoryMaxBytes}, but PHP ends at its memory_limit, ${text}: workers are replaced at three quarters of that. Raise memory_limit in the pool's ini, or lower it.`;
        return [{ ...settingPlace(context, ...path), detail }];
      }),
  },
  {
    name: 'one item of a stream may be larger than a whole answer',
    verdict: 'warn',
    find: (context) => {
      const { itemMaxBytes, responseMaxBytes } = context.settings.limits;
      if (itemMaxBytes <= responseMaxBytes || !context.sources.isSaid('limits', 'itemMaxBytes')) return [];
      const detail = `It is ${itemMaxBytes}, but a result that is no stream may have limits.responseMaxBytes, ${responseMaxBytes}: was that meant to be raised?`;
      return [{ ...settingPlace(context, 'limits', 'itemMaxBytes'), detail }];
    },
  },
  {
    name: 'a batch is smaller than one of its items may be',
    verdict: 'warn',
    find: (context) => {
      const { batch, limits } = context.settings;
      if (batch.maxBytes >= limits.bodyMaxBytes || !context.sources.isSaid('batch', 'maxBytes')) return [];
      const detail = `It is ${batch.maxBytes}, but one item may have limits.bodyMaxBytes, ${limits.bodyMaxBytes}: raise it, or lower that.`;
      return [{ ...settingPlace(context, 'batch', 'maxBytes'), detail }];
    },
  },
  {
    name: 'the answer to a key is forgotten while its call may run',
    verdict: 'warn',
    find: (context) => {
      const { ttlMs } = context.settings.idempotency;
      const fn = longest(context.all.filter(({ idempotencyKey }) => idempotencyKey !== 'off'));
      if (fn === undefined || ttlMs >= fn.queueTimeoutMs + fn.timeoutMs) return [];
      if (!context.sources.isSaid('idempotency', 'ttlMs')) return [];
      const detail = `It is ${ttlMs}, but a call of ${fn.name} may take ${fn.queueTimeoutMs + fn.timeoutMs} ms (queueTimeoutMs and timeoutMs): whoever repeats it then runs it twice. Raise it to hours.`;
      return [{ ...settingPlace(context, 'idempotency', 'ttlMs'), detail }];
    },
  },
];

/** All that is found, with file and property. */
export const ladderProblems = (facts: LadderFacts): { problems: StartupProblem[]; warnings: StartupProblem[] } => {
  const context = { ...facts, places: new LimitPlaces(facts), all: [...facts.functions.values()] };
  const found = (verdict: Rule['verdict']): StartupProblem[] =>
    RULES.filter((rule) => rule.verdict === verdict).flatMap((rule) => rule.find(context));
  return { problems: found('refuse'), warnings: found('warn') };
};

/** PHP that somebody else runs has limits of its own, known once a worker has told them. They count CPU time alone. */
export const attachedLimitWarnings = (
  pool: string,
  limits: PhpLimits | undefined,
  functions: Iterable<GatewayFunction>,
): StartupProblem[] => {
  const seconds = limits?.maxExecutionSeconds ?? 0;
  const fn = longest([...functions].filter((each) => each.pool === pool));
  if (seconds === 0 || fn === undefined || seconds * 1000 >= fn.timeoutMs) return [];
  const detail = `The php-fpm behind it ends PHP after ${seconds} s of CPU time (max_execution_time), but ${fn.name} may run for ${fn.timeoutMs} ms (timeoutMs): raise it there, or lower timeoutMs.`;
  return [{ file: 'deploy/gateway.config.ts', property: `pools.${pool}`, detail }];
};
