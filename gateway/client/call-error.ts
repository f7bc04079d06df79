/** Every failure a caller of the client meets: one class, whether the gateway, the function or the way there failed. */
import type { Code, ErrorSource, Executed, Issue } from '../errors.ts';

/** What the client itself finds out; the rest of the codes are the gateway's (docs/errors.md) and the contract's. */
export type ClientCode =
  /** No answer: the gateway could not be reached (executed: no), or the connection broke (unknown). */
  | 'network-failed'
  /** The time the caller gave is up and the gateway has not said so itself. */
  | 'client-timeout'
  /** The caller's signal, or its leaving a stream or batch. */
  | 'aborted'
  /** An answer without our protocol: another version of the gateway, or no gateway at all. */
  | 'incompatible-gateway'
  /** An answer that is not what the protocol says. */
  | 'unreadable-answer'
  /** A stream or batch ended before its end. */
  | 'cut-off'
  /** A script answered with a status that is no success. */
  | 'unexpected-status'
  /** The input cannot be sent: no JSON, or a file where none can be. */
  | 'unsendable-input';

/** Codes of the gateway, not of a contract. */
export type GatewayCode = Code | ClientCode;

export interface CallErrorFacts {
  /** HTTP status; undefined where there was no answer. */
  readonly status?: number | undefined;
  readonly source: ErrorSource | 'network';
  readonly executed: Executed;
  readonly retryable: boolean;
  readonly reason?: string | undefined;
  readonly issues?: readonly Issue[] | undefined;
  readonly data?: unknown;
  readonly traceId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

export class CallError<C extends string = string, D = unknown> extends Error {
  override readonly name = 'CallError';
  /** Match on this, never on the text. */
  readonly code: C;
  /** The function that was called. */
  readonly function: string;
  readonly status: number | undefined;
  /** Who has to change something; `network` is nobody's. */
  readonly source: ErrorSource | 'network';
  /** Whether the function's code ran. */
  readonly executed: Executed;
  /** True when the same call may succeed later without anybody changing it, and did not run. */
  readonly retryable: boolean;
  /** Tells kinds of one code apart. */
  readonly reason: string | undefined;
  /** Broken rules of the input (or the output), each with a JSON Pointer. */
  readonly issues: readonly Issue[];
  /** Of a declared error. */
  readonly data: D;
  /** 32 hex digits, for `/traces/{id}`. */
  readonly traceId: string | undefined;
  readonly requestId: string | undefined;
  /** When the gateway asks to be left alone until then. */
  readonly retryAfterMs: number | undefined;
  /** The message without the name of the function. */
  readonly detail: string;

  constructor(code: C, functionName: string, detail: string, facts: CallErrorFacts) {
    super(`${functionName}: ${detail}`, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = code;
    this.function = functionName;
    this.detail = detail;
    this.status = facts.status;
    this.source = facts.source;
    this.executed = facts.executed;
    this.retryable = facts.retryable;
    this.reason = facts.reason;
    this.issues = facts.issues ?? [];
    this.data = facts.data as D;
    this.traceId = facts.traceId;
    this.requestId = facts.requestId;
    this.retryAfterMs = facts.retryAfterMs;
  }

  /** The same failure, of which more is known, or of one item of a batch that failed as a whole. */
  with(more: Partial<CallErrorFacts>, functionName = this.function): CallError<C, D> {
    return new CallError<C, D>(this.code, functionName, this.detail, { ...this, cause: this, ...more });
  }
}

/** The errors of a function, to be told apart by `code`: its declared ones, each with its data, and all others. */
export type CallErrorOf<E> =
  | { [C in keyof E & string]: CallError<C, E[C]> }[keyof E & string]
  | CallError<GatewayCode, undefined>;

export const isCallError = (value: unknown): value is CallError => value instanceof CallError;

/** What a code of the client's own means, unless the one who knows more says otherwise. */
const facts: Readonly<Record<ClientCode, CallErrorFacts>> = {
  'network-failed': { source: 'network', executed: 'unknown', retryable: false },
  'client-timeout': { source: 'client', executed: 'unknown', retryable: false },
  aborted: { source: 'client', executed: 'unknown', retryable: false },
  'incompatible-gateway': { source: 'gateway', executed: 'unknown', retryable: false },
  'unreadable-answer': { source: 'gateway', executed: 'unknown', retryable: false },
  'cut-off': { source: 'network', executed: 'unknown', retryable: false },
  'unexpected-status': { source: 'function', executed: 'yes', retryable: false },
  'unsendable-input': { source: 'client', executed: 'no', retryable: false },
};

/** An error the client found out itself. */
export const clientError = (
  code: ClientCode,
  functionName: string,
  message: string,
  more: Partial<CallErrorFacts> = {},
): CallError => new CallError<string>(code, functionName, message, { ...facts[code], ...more });
