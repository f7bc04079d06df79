/**
 * What a file in `schemas/` says: the contract of one function. Pure data, safe to import anywhere;
 * only types of zod are used here, so a browser bundle that imports a contract carries no gateway code.
 */
import type { z } from 'zod';

/** An output that is bytes, not JSON: the handler returns a `Binary` of this media type. */
export interface BinaryOutput {
  readonly kind: 'binary';
  readonly mediaType: string;
}

/** The function answers bytes of one media type, such as `application/pdf`, or of a family, such as `image/*`. */
export const binary = (mediaType: string): BinaryOutput => ({ kind: 'binary', mediaType });

export const isBinaryOutput = (output: unknown): output is BinaryOutput =>
  typeof output === 'object' && output !== null && 'kind' in output && output.kind === 'binary';

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

export type Method = 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Contract<
  I extends z.ZodType = z.ZodType,
  O extends z.ZodType | BinaryOutput = z.ZodType | BinaryOutput,
  E extends Readonly<Record<string, DeclaredError>> = Readonly<Record<string, DeclaredError>>,
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
  /** Name of the pool in the config; default `default`. */
  readonly pool?: string;
  /** `fpm`: fresh state for each call. */
  readonly engine?: 'fpm';
  /** HTTP verbs; default POST alone. */
  readonly methods?: readonly Method[];
  /** How long PHP may run, ms, for each attempt; its worker is stopped then. Default 30,000. */
  readonly timeoutMs?: number;
  /** How long a call may wait for a free worker, ms. Default 5,000. */
  readonly queueTimeoutMs?: number;
  /** Running it twice does no harm: allows a retry when it is unknown whether an attempt ran. Default false. */
  readonly idempotent?: boolean;
  readonly retry?: RetryPolicy;
  /** Calls of this function running or waiting at once; more get 429. Default: no cap but the pool's. */
  readonly concurrency?: number;
}

/** Declares the contract of the function whose name is this file's name. */
export const defineFunction = <
  I extends z.ZodType,
  O extends z.ZodType | BinaryOutput,
  const E extends Readonly<Record<string, DeclaredError>>,
>(
  contract: Contract<I, O, E>,
): Contract<I, O, E> => contract;
