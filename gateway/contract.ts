/** What a file in `schemas/` says: the contract of one function. Pure data, safe to import anywhere. */
import { z } from 'zod';
import { FILE_KEYWORD, type FileRules, isMediaTypeIn, Upload } from './upload.ts';

/**
 * A schema of zod, told by two of its members. Where the compiler holds it against all of `z.ZodType`, a contract costs
 * it 3,100 instantiations instead of 200, and a project of 1,000 contracts a minute and more.
 */
interface AnySchema {
  readonly _zod: { readonly input: unknown; readonly output: unknown };
  readonly describe: unknown;
}

/** An output that is bytes, not JSON: the handler returns a `Binary` of this media type. */
export interface BinaryOutput {
  readonly kind: 'binary';
  readonly mediaType: string;
}

/** The function answers bytes of one media type, such as `application/pdf`, or of a family, such as `image/*`. */
export const binary = (mediaType: string): BinaryOutput => ({ kind: 'binary', mediaType });

export const isBinaryOutput = (output: unknown): output is BinaryOutput =>
  typeof output === 'object' && output !== null && 'kind' in output && output.kind === 'binary';

/** An output that comes piece by piece: items of one schema, or bytes. */
export interface StreamOutput<T extends AnySchema | BinaryOutput = z.ZodType | BinaryOutput> {
  readonly kind: 'stream';
  readonly item: T;
}

/**
 * The function answers while it runs: a handler that yields, or a script that flushes. `stream(schema)` is a stream of
 * items (NDJSON, Server-Sent Events), each checked; `stream(binary('text/csv'))` a stream of bytes, passed through.
 */
export const stream = <T extends AnySchema | BinaryOutput>(item: T): StreamOutput<T> => ({ kind: 'stream', item });

export const isStreamOutput = (output: unknown): output is StreamOutput =>
  typeof output === 'object' && output !== null && 'kind' in output && output.kind === 'stream';

/**
 * A file among the members of `input`, or a list of them in `z.array(file(…)).max(n)`; as `input` itself it is the
 * whole request body. PHP gets an `UploadedFile`; a script, `$_FILES`; callers of the TypeScript client give a `Blob`.
 */
export const file = (rules: FileRules): z.ZodType<Upload, Blob> => {
  const { maxBytes, mediaTypes } = rules;
  const schema = z
    .custom<Upload>((value) => value instanceof Upload, {
      error: 'must be a file: a multipart/form-data part with a file name (curl -F field=@path)',
    })
    .superRefine(({ size, mediaType }, { addIssue }) => {
      if (size > maxBytes) addIssue({ code: 'custom', message: `has ${size} bytes; at most ${maxBytes} are taken` });
      if (isMediaTypeIn(mediaType, mediaTypes)) return;
      const what = size === 0 ? 'empty' : mediaType;
      addIssue({ code: 'custom', message: `is ${what}; ${mediaTypes.join(', ')} is taken` });
    })
    .meta({ type: 'string', format: 'binary', [FILE_KEYWORD]: rules });
  return schema as z.ZodType as z.ZodType<Upload, Blob>;
};

/** A declared error: the schema of its data, with 422 as status, or both. */
export type DeclaredError = z.ZodType | { readonly status: number; readonly data: z.ZodType };

/** How often and how soon an attempt that is known to be safe is repeated. */
export interface RetryPolicy {
  /** Attempts in all, the first included. 1 = never retry. */
  readonly attempts?: number;
  /** First delay of the full-jitter backoff, ms. */
  readonly baseMs?: number;
  /** Longest delay, ms. */
  readonly maxMs?: number;
}

/** `GET` brings `HEAD` with it. `OPTIONS` is answered by the gateway unless a script takes it. */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

/** How a request carries its input; the query string always adds fields. `raw`: the body is the one file of `input`. */
export type Content = 'json' | 'form' | 'multipart' | 'raw';

/** Scripts of one folder under one contract: exactly these, at `/functions/<name>/<file>`. */
export interface ScriptList {
  /** Below `functions/`. */
  readonly folder: string;
  /** Paths below the folder. */
  readonly files: readonly string[];
}

/** What runs a handler: a php-fpm worker that forgets everything behind each call, or one that stays. */
export type Engine = 'fpm' | 'resident';

export type Priority = 'high' | 'normal' | 'low';

export type ContractOutput = z.ZodType | BinaryOutput | StreamOutput;

type AnyOutput = AnySchema | BinaryOutput | StreamOutput<AnySchema | BinaryOutput>;

type AnyErrors = Readonly<Record<string, AnySchema | { readonly status: number; readonly data: AnySchema }>>;

export interface Contract<
  I extends AnySchema = z.ZodType,
  O extends AnyOutput = ContractOutput,
  E extends AnyErrors = Readonly<Record<string, DeclaredError>>,
> {
  /** One line: shown in lists and in the API page. */
  readonly summary?: string;
  readonly description?: string;
  /** PHP receives the parsed value: defaults applied, unknown members refused or dropped as the schema says. */
  readonly input: I;
  readonly output: O;
  /** Errors the handler throws as `Failure`: they reach callers typed. */
  readonly errors?: E;
  /** File under `functions/`; default `<name>.php`. */
  readonly handler?: string;
  /** An existing PHP script under `functions/` instead of a handler: superglobals in, headers and output back. */
  readonly script?: string;
  /** Several scripts under this contract. */
  readonly scripts?: ScriptList;
  /** Name of the pool in the config; default `default`. */
  readonly pool?: string;
  /**
   * `fpm` (default): fresh state for each call. `resident`: workers that are bootstrapped once and serve many calls, for
   * handlers (docs/resident.md). The handler file is the same.
   */
  readonly engine?: Engine;
  /** HTTP verbs; default POST alone. */
  readonly methods?: readonly Method[];
  /** Default: JSON for handlers, and multipart where `input` has files; form, multipart and JSON for scripts. */
  readonly contents?: readonly Content[];
  /** Request headers a script sees besides the usual ones (docs/scripts.md). */
  readonly requestHeaders?: readonly string[];
  /** Response headers of a script that reach the caller besides the usual ones (docs/scripts.md). */
  readonly responseHeaders?: readonly string[];
  /** How long PHP may run, ms, for each attempt; its worker is stopped then. Default 30,000. */
  readonly timeoutMs?: number;
  /** How long a call may wait for a free worker, ms. Default 5,000. */
  readonly queueTimeoutMs?: number;
  /** Running it twice does no harm: allows a retry when it is unknown whether an attempt ran. Default false. */
  readonly idempotent?: boolean;
  readonly retry?: RetryPolicy;
  /**
   * Calls of this function that one resident worker runs at once, each in a Fiber that waits without holding up the others
   * (docs/fibers.md). Default 1: each call has its worker to itself.
   */
  readonly concurrency?: number;
  /** Calls of this function running or waiting at once; more get 429. Default: no cap but the pool's. */
  readonly inFlightMax?: number;
  /** Whose calls wait for a worker first where there are too many. Default `normal`. */
  readonly priority?: Priority;
  /**
   * What becomes of a call whose caller leaves while it runs: PHP is stopped, or runs to its end. Default: `cancel` where
   * the function is `idempotent`, else `finish`. A stream that nobody reads is always stopped.
   */
  readonly onDisconnect?: 'cancel' | 'finish';
  /**
   * Callers name an operation by the header `Idempotency-Key`: repeated, it gets the first answer and does not run again.
   * `required`: they must; `off`: the header has no meaning. Default `optional`.
   */
  readonly idempotencyKey?: 'required' | 'optional' | 'off';
}

/** Declares the contract of the function whose name is this file's name. */
export const defineFunction = <I extends AnySchema, O extends AnyOutput, const E extends AnyErrors>(
  contract: Contract<I, O, E>,
): Contract<I, O, E> => contract;
