/** Which limit a failed call met, its value and where it is set: a clause behind what the error says. Only on errors. */
import { type GatewayError, isCode } from '../errors.ts';
import type { Source } from '../setting-sources.ts';
import type { GatewayFunction } from './function.ts';
import type { LimitPlaces } from './limit-places.ts';

export interface Struck {
  readonly fn: GatewayFunction;
  readonly connectTimeoutMs: number;
  /** What the call was given for waiting, ms. */
  readonly queueTimeoutMs: number;
  /** What the caller allows, if it said so, ms. */
  readonly callerMs: number | undefined;
  /** By which header. */
  readonly callerBy: string | undefined;
  /** What PHP was given in the latest attempt, ms; undefined: it came to none. */
  readonly timeLimitMs: number | undefined;
}

/** Names that messages use for settings. */
const SETTING =
  /\b(?:(?:http|limits|batch|overload|breaker|idempotency)\.[a-zA-Z]+|(?:queue|connect)TimeoutMs|queueMax|queueTargetMs|inFlightMax)\b/;

export class LimitsTold {
  readonly #places: LimitPlaces;
  /** Made once for each function and setting: under overload there are as many errors as calls. */
  readonly #clauses = new Map<string, string>();

  constructor(places: LimitPlaces) {
    this.#places = places;
  }

  /** Of a call on its walk. */
  explain(error: GatewayError, struck: Struck): GatewayError {
    if (!isCode(error.code)) return error;
    return error.explain(this.#walked(error, struck));
  }

  /** Of a request that did not come to its walk. */
  explainRequest(error: GatewayError, fn: GatewayFunction): GatewayError {
    if (!isCode(error.code)) return error;
    return error.explain(this.#arriving(error, fn) ?? this.#named(error, fn));
  }

  #walked(error: GatewayError, struck: Struck): string | undefined {
    const { fn, timeLimitMs, connectTimeoutMs } = struck;
    switch (error.code) {
      case 'function-timeout':
        return timeLimitMs === undefined || timeLimitMs < fn.timeoutMs
          ? this.#budget(struck)
          : this.#clause(fn, 'timeoutMs', error.message);
      case 'deadline-exceeded':
        return this.#budget(struck);
      case 'queue-timeout':
        return this.#waited(struck, error.message);
      case 'pool-unavailable':
        if (/\bwaited\b/.test(error.message)) return this.#waited(struck, error.message);
        return error.message.includes(`within ${connectTimeoutMs} ms`)
          ? this.#clause(fn, 'connectTimeoutMs', error.message)
          : undefined;
      case 'function-out-of-memory':
        return this.#memory(fn);
      default:
        return this.#named(error, fn);
    }
  }

  /** The setting that the error names itself. */
  #named(error: GatewayError, fn: GatewayFunction): string | undefined {
    const name = SETTING.exec(error.message)?.[0];
    return name === undefined ? undefined : this.#clause(fn, name, error.message);
  }

  #arriving({ code, message }: GatewayError, fn: GatewayFunction): string | undefined {
    const { http, limits } = this.#places.settings;
    if (code === 'request-timeout') {
      const name = fn.files.size > 0 && http.uploadTimeoutMs !== http.requestTimeoutMs ? 'upload' : 'request';
      const isIt = message.includes(` ${http[`${name}TimeoutMs`]} ms`);
      return isIt ? this.#clause(fn, `http.${name}TimeoutMs`, message) : undefined;
    }
    if (code !== 'body-too-large' || limits.bodyMaxBytes === limits.uploadMaxBytes) return undefined;
    if (message.endsWith(` ${limits.bodyMaxBytes}.`)) return this.#clause(fn, 'limits.bodyMaxBytes', message);
    return message.endsWith(` ${limits.uploadMaxBytes}.`)
      ? this.#clause(fn, 'limits.uploadMaxBytes', message)
      : undefined;
  }

  #waited(struck: Struck, message: string): string | undefined {
    const { fn, callerMs, queueTimeoutMs } = struck;
    return callerMs !== undefined && callerMs <= queueTimeoutMs
      ? callersWord(struck)
      : this.#clause(fn, 'queueTimeoutMs', message);
  }

  /** The whole call's time: what the caller allows, or else the sum of what each part of it may take. */
  #budget(struck: Struck): string {
    const { fn, callerMs, queueTimeoutMs, connectTimeoutMs } = struck;
    const ownMs = queueTimeoutMs + connectTimeoutMs + fn.timeoutMs;
    if (callerMs !== undefined && callerMs < ownMs) return callersWord(struck);
    const parts = `queueTimeoutMs ${queueTimeoutMs} + connectTimeoutMs ${connectTimeoutMs} + timeoutMs ${fn.timeoutMs}`;
    return `what was left of the call's ${ownMs} ms: ${parts}; ${this.#clause(fn, 'timeoutMs', '')}`;
  }

  #memory(fn: GatewayFunction): string | undefined {
    const pool = this.#places.settings.pools[fn.pool];
    if (pool === undefined) return undefined;
    if ('address' in pool) return 'set where its php-fpm is run';
    const said = pool.ini.memory_limit;
    return `${said === undefined ? '128M' : String(said)}${said === undefined ? ' by default' : `, ${this.#clause(fn, 'memory_limit', '')}`}`;
  }

  #clause(fn: GatewayFunction, setting: string, message: string): string | undefined {
    const key = `${fn.name} ${setting} ${message.includes(setting)}`;
    const known = this.#clauses.get(key);
    if (known !== undefined) return known;
    const source = this.#places.byName(fn, setting);
    if (source === undefined) return undefined;
    const made = clauseOf(setting, source, message);
    this.#clauses.set(key, made);
    return made;
  }
}

const callersWord = ({ callerMs, callerBy }: Struck): string =>
  `the caller allowed ${Math.round(callerMs ?? 0)} ms${callerBy === undefined ? '' : ` by ${callerBy}`}`;

/** What the message names already is not said twice. */
const clauseOf = (setting: string, source: Source, message: string): string => {
  const named = (name: string): string => (message.includes(name) ? '' : `${name} `);
  if (source.kind === 'environment') return `${named(setting)}by ${source.variable}`;
  if (source.kind === 'config' || source.kind === 'contract') return `${named(source.property)}in ${source.file}`;
  return `${named(setting)}by default`;
};
