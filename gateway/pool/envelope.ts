/**
 * The runtime's answer, as `gateway/php/Runtime.php` writes it. Pure.
 *
 *     FPMG1 <attempt id> <meta bytes> <payload bytes>\n<meta: JSON><payload: JSON or bytes>
 */

/** Must equal `Runtime::VERSION` in PHP. */
export const RUNTIME_VERSION = 7;

export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly context: unknown;
  /** Since the attempt began in PHP, ms. */
  readonly atMs: number;
}

export interface PhpException {
  readonly class: string;
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly trace?: string;
}

/** What every answer says of the worker. */
export interface WorkerUsage {
  readonly pid: number;
  readonly peakBytes: number;
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Times it gave up the CPU to wait for something. */
  readonly waits: number;
}

/** What a call left behind in its resident worker. */
export interface Leak {
  /** `static`, `global`, `ini`, `timezone` … (docs/leaks.md). */
  readonly kind: string;
  /** What it is called: `Shop\Cart::$items`. */
  readonly name: string;
  readonly detail: string;
  /** It was put back as it had been. */
  readonly restored: boolean;
}

interface Common extends WorkerUsage {
  readonly logs?: readonly LogEntry[];
  readonly droppedLogs?: number;
  /** The first bytes printed besides the result, and how many there were. */
  readonly stray?: string;
  readonly strayBytes?: number;
  /** By resident workers alone: calls it has served, this one included. */
  readonly served?: number;
  /** What it holds between calls. */
  readonly memoryBytes?: number;
  /** By concurrent workers alone: calls that it runs besides this one. */
  readonly running?: number;
  readonly leaks?: readonly Leak[];
}

export interface PrimedMeta extends Common {
  readonly outcome: 'primed';
  /** Age of a resident worker's process, ms. */
  readonly bornMs?: number;
  readonly runtimeVersion: number;
  readonly phpVersion: string;
  readonly opcache: boolean;
  readonly pidNamespace: string;
  /** PHP's own limits in this pool. */
  readonly limits: PhpLimits;
}

/** What PHP takes of a request's body, and of time, by its ini settings; 0 bytes: any size. */
export interface PhpLimits {
  readonly postMaxBytes: number;
  readonly uploadMaxBytes: number;
  readonly uploadsMax: number;
  readonly inputVarsMax: number;
  /** Of CPU time; 0: without an end. */
  readonly maxExecutionSeconds?: number;
}

export type Meta =
  | PrimedMeta
  | (Common & { readonly outcome: 'output'; readonly encoding: 'json' })
  | (Common & { readonly outcome: 'output'; readonly encoding: 'binary'; readonly mediaType: string | null })
  | (Common & { readonly outcome: 'failure'; readonly code: string; readonly message: string })
  | (Common & { readonly outcome: 'exception' | 'fatal' | 'out-of-memory'; readonly exception: PhpException })
  | (Common & { readonly outcome: 'unencodable'; readonly message: string })
  /** The class a handler takes as its input, where it takes no array. */
  | (Common & { readonly outcome: 'checked'; readonly inputClass?: string })
  | (Common & { readonly outcome: 'exit' | 'streamed' | 'script-ended' })
  /** By concurrent workers alone: its time was up while it waited. */
  | (Common & { readonly outcome: 'deadline' });

export type Envelope =
  | { readonly kind: 'envelope'; readonly meta: Meta; readonly payload: Buffer; readonly stray: string }
  /** No envelope of this attempt: the runtime did not come to write one. */
  | { readonly kind: 'none'; readonly stray: string };

const STRAY_MAX_BYTES = 512;
const LEVELS = ['debug', 'info', 'warn', 'error'];

const excerpt = (bytes: Buffer): string => bytes.toString('utf8', 0, STRAY_MAX_BYTES);

type Members = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Members => typeof value === 'object' && value !== null;

const isLogEntry = (value: unknown): boolean =>
  isObject(value) &&
  LEVELS.includes(String(value.level)) &&
  typeof value.message === 'string' &&
  typeof value.atMs === 'number';

const isException = (value: unknown): boolean =>
  isObject(value) &&
  [value.class, value.message, value.file].every((text) => typeof text === 'string') &&
  typeof value.line === 'number';

/** Means are made of them: 1e999 would stay in one for ever. */
const isAmount = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value < 1e15;

const isUsage = ({ pid, peakBytes, cpuMs, wallMs, waits }: Members): boolean =>
  isAmount(pid) && isAmount(peakBytes) && isAmount(cpuMs) && isAmount(wallMs) && isAmount(waits);

const isLeak = (value: unknown): boolean =>
  isObject(value) &&
  [value.kind, value.name, value.detail].every((text) => typeof text === 'string') &&
  typeof value.restored === 'boolean';

const isList = (value: unknown, isItem: (item: unknown) => boolean): boolean =>
  value === undefined || (Array.isArray(value) && value.every(isItem));

const isOutcome = (value: Members): boolean => {
  switch (value.outcome) {
    case 'output':
    case 'streamed':
    case 'script-ended':
    case 'exit':
    case 'deadline':
    case 'primed':
      return true;
    case 'checked':
      return value.inputClass === undefined || typeof value.inputClass === 'string';
    case 'failure':
    case 'unencodable':
      return typeof value.message === 'string';
    case 'exception':
    case 'fatal':
    case 'out-of-memory':
      return isException(value.exception);
    default:
      return false;
  }
};

/** PHP code could write one of its own making: nothing behind this line trips over it. */
const isMeta = (value: unknown): value is Meta =>
  isObject(value) &&
  isUsage(value) &&
  isOutcome(value) &&
  (value.served === undefined || isAmount(value.served)) &&
  (value.memoryBytes === undefined || isAmount(value.memoryBytes)) &&
  (value.running === undefined || isAmount(value.running)) &&
  isList(value.logs, isLogEntry) &&
  isList(value.leaks, isLeak);

const parseMeta = (text: string): Meta | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return isMeta(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

/** Finds this attempt's envelope; bytes around it were printed by the handler and are reported as stray. */
export const decodeEnvelope = (body: Buffer, attemptId: string): Envelope => {
  const mark = `FPMG1 ${attemptId} `;
  const start = body.indexOf(mark, 0, 'latin1');
  const lineEnd = start === -1 ? -1 : body.indexOf(10, start);
  if (lineEnd === -1) return { kind: 'none', stray: excerpt(body) };
  const lengths = /^(\d{1,10}) (\d{1,10})$/.exec(body.toString('latin1', start + mark.length, lineEnd));
  const metaStart = lineEnd + 1;
  const payloadStart = metaStart + Number(lengths?.[1]);
  const end = payloadStart + Number(lengths?.[2]);
  // Not a number when the line is none of ours.
  if (!(end <= body.length)) return { kind: 'none', stray: '' };
  const meta = parseMeta(body.toString('utf8', metaStart, payloadStart));
  if (meta === undefined) return { kind: 'none', stray: '' };
  const around = start > 0 ? body.subarray(0, start) : body.subarray(end);
  const stray = meta.stray ?? (around.length > 0 ? excerpt(around) : '');
  return { kind: 'envelope', meta, payload: body.subarray(payloadStart, end), stray };
};

/** As PHP logs what it cannot go on after. */
export const FATAL = /PHP (?:Fatal|Parse|Recoverable fatal) error: /;

/**
 * How a script ended: `FPMG1 <attempt id> <meta bytes> <meta: JSON>` among its STDERR, because STDOUT is the script's own.
 * Absent when PHP died too hard to say, or had closed its answer before (`fastcgi_finish_request()`).
 */
export const takeScriptMark = (stderr: string, attemptId: string): { meta: Meta | undefined; stderr: string } => {
  const mark = new RegExp(`(?:(?:; )?PHP message: )?FPMG1 ${attemptId} (\\d{1,6}) `);
  let meta: Meta | undefined;
  let rest = stderr;
  // The last counts: behind the first, shutdown functions may fail.
  for (let found = mark.exec(rest); found !== null; found = mark.exec(rest)) {
    const jsonStart = found.index + found[0].length;
    const jsonEnd = jsonStart + Number(found[1]);
    meta = parseMeta(rest.slice(jsonStart, jsonEnd)) ?? meta;
    const behind = rest.slice(jsonEnd);
    // The good end was not yet the end: a shutdown function, destructor or buffer callback failed behind it.
    if (FATAL.test(behind)) meta = undefined;
    rest = rest.slice(0, found.index) + behind;
  }
  return { meta, stderr: rest.replace(/^[\s;]+/, '') };
};
