/** What users may set: for a client, and for one call. Checked when given, so that a typo is told where it is made. */

/** How often and how soon a call that is known to be safe is repeated. */
export interface RetryOptions {
  /** Attempts in all, the first included; 1 = never retry. Default 3. */
  readonly attempts?: number;
  /** First ceiling of the full-jitter backoff, ms. Default 50. */
  readonly baseMs?: number;
  /** Highest ceiling, ms. Default 1,000. */
  readonly maxMs?: number;
}

/** Calls of one tick go as one batch. */
export interface BatchingOptions {
  /** More calls make another batch. Default 100. */
  readonly maxItems?: number;
  /** Of all inputs of one batch, as JSON; a call with more goes alone. Default 250,000. */
  readonly maxCharacters?: number;
}

export interface ClientOptions {
  /** Of the gateway: `https://host[/prefix]`, in browsers also `/prefix` or ``, in Node `unix:/run/gateway.sock`. */
  readonly url: string;
  /** For every request, such as a credential of a proxy in front; a function is asked before each. */
  readonly headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);
  /**
   * For every call, and item of a batch, that says nothing else; default none but the function's own limits. Streams
   * have a limit only where it is given to them.
   */
  readonly timeoutMs?: number;
  readonly retry?: RetryOptions;
  /** Calls of one tick go as one batch; default false. */
  readonly batching?: boolean | BatchingOptions;
  /** Instead of the global one. */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

export interface CallOptions {
  /** For the whole call, retries included. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Running it twice does no harm: it is repeated also when it is unknown whether it ran. */
  readonly idempotent?: boolean;
  readonly retry?: RetryOptions;
  /**
   * Names the operation: however often it is sent, it runs once, and repeats get the first answer. `true`: a new one for
   * this call. With a key the client repeats also what may have run, where the connection broke.
   */
  readonly idempotencyKey?: string | true;
  /** False: this call never waits for others of its tick. */
  readonly batching?: boolean;
}

export type RetryPolicy = Required<RetryOptions>;

const RETRY: RetryPolicy = { attempts: 3, baseMs: 50, maxMs: 1_000 };
const BATCHING: Required<BatchingOptions> = { maxItems: 100, maxCharacters: 250_000 };
/** Below what a timer can hold, with the time behind a limit. */
const MS_MAX = 2_147_000_000;

export const assertWhole = (name: string, value: number | undefined, least: number): void => {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= MS_MAX)) return;
  throw new TypeError(`${name} is ${value}; give a whole number from ${least} to ${MS_MAX}.`);
};

/** With what is `undefined` left out, so that it does not hide a default. */
const given = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/** `own` goes before `all`. */
export const retryPolicy = (all: RetryOptions | undefined, own?: RetryOptions): RetryPolicy => {
  const policy: RetryPolicy = { ...RETRY, ...given(all ?? {}), ...given(own ?? {}) };
  assertWhole('retry.attempts', policy.attempts, 1);
  assertWhole('retry.baseMs', policy.baseMs, 0);
  assertWhole('retry.maxMs', policy.maxMs, 0);
  return policy;
};

export const batchingLimits = (batching: ClientOptions['batching']): Required<BatchingOptions> | undefined => {
  if (batching === undefined || batching === false) return undefined;
  const limits = batching === true ? BATCHING : { ...BATCHING, ...given(batching) };
  assertWhole('batching.maxItems', limits.maxItems, 1);
  assertWhole('batching.maxCharacters', limits.maxCharacters, 1);
  return limits;
};

export const assertTimeout = (timeoutMs: number | undefined): void => assertWhole('timeoutMs', timeoutMs, 1);

const KEY = /^[\x21-\x7e]{1,255}$/;

/** Pages that came over plain HTTP have no `randomUUID()`. */
const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** What is sent, the same for every attempt. */
export const keyOf = (idempotencyKey: string | true | undefined): string | undefined => {
  if (idempotencyKey === true) return newKey();
  if (idempotencyKey === undefined || KEY.test(idempotencyKey)) return idempotencyKey;
  throw new TypeError(`idempotencyKey is ${JSON.stringify(idempotencyKey)}; give 1 to 255 visible ASCII characters.`);
};
