/**
 * Every failure a caller can meet: one class, one table.
 * The layer that knows what happened picks the code and says whether PHP ran; upper layers only read it.
 */

/** Whether the function's code ran: what a caller must know before it tries again. */
export type Executed = 'no' | 'unknown' | 'yes';

/** Who has to change something for the next call to succeed. */
export type ErrorSource = 'client' | 'function' | 'pool' | 'gateway';

export interface CodeEntry {
  /** HTTP status of the answer. */
  readonly status: number;
  readonly source: ErrorSource;
  /** What is known about execution when the thrower says nothing more precise. */
  readonly executed: Executed;
  /** True when the same call may succeed later without anybody changing it. */
  readonly transient: boolean;
  /** One sentence for people. */
  readonly title: string;
  /** The next step, one sentence. */
  readonly mend: string;
}

const entry = (status: number, source: ErrorSource, executed: Executed, transient: boolean, title: string, mend: string): CodeEntry => ({ status, source, executed, transient, title, mend });

/** The code table. Codes are public API: match on `code`, never on text. docs/errors.md is checked against it. */
export const codes = {
  // The caller's request
  'bad-request': entry(400, 'client', 'no', false, 'The request is malformed.', 'Correct the request line or header the detail names.'),
  'bad-host': entry(400, 'client', 'no', false, 'The Host header is missing, repeated or not allowed.', 'Send exactly one Host header, with a name from http.allowedHosts.'),
  'invalid-json': entry(400, 'client', 'no', false, 'The body is not I-JSON (RFC 7493).', 'Correct the JSON at the position the detail names.'),
  'duplicate-key': entry(400, 'client', 'no', false, 'An object in the body has the same member twice.', 'Send each member once.'),
  'json-too-deep': entry(400, 'client', 'no', false, 'The body is nested too deeply.', 'Flatten the input, or raise limits.jsonDepth.'),
  'invalid-form': entry(400, 'client', 'no', false, 'The form, query or multipart body is malformed.', 'Correct what the detail names.'),
  'protocol-mismatch': entry(400, 'client', 'no', false, 'The client speaks another protocol than this gateway.', 'Update the older of the two: clients and gateway of one version fit.'),
  'forbidden-origin': entry(403, 'client', 'no', false, 'A page of another origin may not send this.', 'Send JSON, or add the origin to http.allowedOrigins.'),
  'not-found': entry(404, 'client', 'no', false, 'There is no such function or page.', 'See GET /functions for the names.'),
  'method-not-allowed': entry(405, 'client', 'no', false, 'This method is not offered here.', 'Use a method from the Allow header.'),
  'not-acceptable': entry(406, 'client', 'no', false, 'The answer has a media type the Accept header excludes.', 'Accept the type the detail names.'),
  'request-timeout': entry(408, 'client', 'no', true, 'The request took too long to arrive.', 'Send headers and body faster, or raise http.requestTimeoutMs (http.uploadTimeoutMs for files).'),
  'batch-too-large': entry(413, 'client', 'no', false, 'The batch has more items or bytes than the limit.', 'Send several batches, or raise batch.itemsMax or batch.maxBytes.'),
  'duplicate-id': entry(400, 'client', 'no', false, 'Another item of the batch has the same id.', 'Give each item an id of its own, or none.'),
  'body-too-large': entry(413, 'client', 'no', false, 'The body is larger than the limit.', 'Send less, or raise limits.bodyMaxBytes (limits.uploadMaxBytes for files).'),
  'file-too-large': entry(413, 'client', 'no', false, 'A file is larger than its function takes.', 'Send a smaller file, or raise maxBytes in the contract.'),
  'too-many-fields': entry(413, 'client', 'no', false, 'The request has more fields or files than the limit.', 'Send fewer, or raise limits.fieldsMax (for a list of files .max() in the contract).'),
  'unsupported-media-type': entry(415, 'client', 'no', false, 'The body has a media type this function does not take.', 'Send a type the detail names.'),
  'idempotency-key-missing': entry(400, 'client', 'no', false, 'This function wants an Idempotency-Key.', 'Send the header Idempotency-Key with a value of its own for each operation, and the same one when you repeat it.'),
  'idempotency-key-invalid': entry(400, 'client', 'no', false, 'The Idempotency-Key has not the form of one.', 'Send one key of 1 to 255 visible ASCII characters; a UUID is best.'),
  'idempotency-in-flight': entry(409, 'client', 'unknown', true, 'A call with this Idempotency-Key is under way.', 'Wait for its answer, or send the same request again after the given time.'),
  'idempotency-mismatch': entry(422, 'client', 'no', false, 'This Idempotency-Key was used for another request.', 'Use a new key for a new operation; repeat an operation with the same input.'),
  'unsupported-encoding': entry(415, 'client', 'no', false, 'The body has a content coding that is not taken.', 'Send the body uncompressed (identity).'),
  'expectation-failed': entry(417, 'client', 'no', false, 'The Expect header asks for something unknown.', 'Expect 100-continue or nothing.'),
  'misdirected-request': entry(421, 'client', 'no', false, 'This host name is not served here.', 'Use a name from http.allowedHosts, or add it there.'),
  'validation-failed': entry(422, 'client', 'no', false, 'The input does not match the contract.', 'Correct the members listed in errors[].'),
  'headers-too-large': entry(431, 'client', 'no', false, 'The request headers are larger than the limit.', 'Send fewer or shorter headers, or raise http.headersMaxBytes.'),
  unauthenticated: entry(401, 'client', 'no', false, 'A credential is required.', 'Send Authorization: Bearer with the admin token.'),
  'client-closed': entry(499, 'client', 'no', true, 'The caller went away before its answer.', 'Nothing to mend: seen in logs only.'),

  // Load and capacity
  'concurrency-limit': entry(429, 'gateway', 'no', true, 'The function is at its inFlightMax.', 'Retry after the given time, or raise inFlightMax in its contract.'),
  overloaded: entry(503, 'gateway', 'no', true, 'There is more to do than is taken on: the detail names the limit.', 'Retry after the given time; give the pool more workers, or raise the limit that the detail names.'),
  'queue-timeout': entry(503, 'gateway', 'no', true, 'No worker became free in time.', 'Retry after the given time, give the pool more workers, or raise queueTimeoutMs.'),
  'circuit-open': entry(503, 'gateway', 'no', true, 'This function, or its pool, failed too often just now: it gets no calls for a while.', 'Retry after the given time, and see the traces of what failed before.'),
  'store-unavailable': entry(503, 'gateway', 'no', true, 'What the gateway has to keep cannot be kept now.', 'Retry after the given time; see the log for what is wrong with stateDir (for files: spoolDir).'),
  'storage-full': entry(507, 'gateway', 'no', true, 'There is no room on disk for what the gateway has to keep.', 'Free space where stateDir (for files: spoolDir) lies; the gateway goes on by itself.'),
  'rpc-saturated': entry(503, 'gateway', 'no', true, 'All workers of this pool wait for calls that wait for one of them.', 'Retry after the given time, give the pool more workers, or the called function a pool of its own.'),
  'call-depth-exceeded': entry(508, 'function', 'no', false, 'Functions call functions too deeply.', 'Break the cycle the detail names, or raise limits.callDepthMax.'),
  'pool-unavailable': entry(503, 'pool', 'no', true, 'No worker of this pool can be reached.', 'Check that php-fpm runs; the gateway keeps trying.'),
  'shutting-down': entry(503, 'gateway', 'no', true, 'The gateway is stopping.', 'Retry: another instance answers.'),
  'batch-stopped': entry(409, 'client', 'no', true, 'The batch had stopped before this item began.', 'Mend the item that failed, then send this one again.'),
  cancelled: entry(503, 'gateway', 'unknown', false, 'An operator cancelled this call.', 'Ask the operator; send it again only if it may run twice.'),
  'release-rejected': entry(422, 'client', 'no', false, 'The new release does not load: the running one stays.', 'Mend what errors[] names, then reload again.'),
  'no-previous-release': entry(409, 'client', 'no', false, 'There is no earlier release to go back to.', 'Load the one you want with a reload.'),
  'deadline-exceeded': entry(504, 'gateway', 'no', false, 'The deadline passed before the call reached PHP.', 'Give the call more time.'),

  // The function
  'function-timeout': entry(504, 'function', 'unknown', false, 'The function ran past its time limit and its worker was stopped.', 'Make it faster, or raise timeoutMs in its contract.'),
  'function-error': entry(500, 'function', 'yes', false, 'The function failed.', 'See the trace for the exception or fatal error.'),
  'function-out-of-memory': entry(500, 'function', 'yes', false, 'The function needed more memory than its pool allows.', "Use less, or raise memory_limit in the pool's ini."),
  'function-no-result': entry(502, 'function', 'yes', false, 'The function ended without a result.', 'Return a value; do not call exit() or die().'),
  'function-stray-output': entry(502, 'function', 'yes', false, 'The function printed something besides its result.', 'Return the value instead of echo; use $call->log() for messages.'),
  'slow-reader': entry(499, 'client', 'yes', false, 'The caller stopped reading its stream.', 'Read faster, or raise http.idleWriteTimeoutMs.'),
  'invalid-function-output': entry(502, 'function', 'yes', false, 'The result does not match the contract.', 'Correct the members listed in errors[], or the contract.'),
  'contract-error': entry(500, 'function', 'no', false, "The contract's own code failed.", 'Correct the transform, refinement or default the detail names.'),

  // Between the gateway and PHP
  'worker-crashed': entry(502, 'pool', 'unknown', true, 'The PHP worker ended while it served the call.', "See PHP's and the kernel's log for a crash or kill."),
  'bad-function-response': entry(502, 'pool', 'unknown', false, 'The answer from PHP breaks the FastCGI or CGI protocol.', 'Check that the address belongs to php-fpm and that its runtime is this version, or correct the header the detail names.'),
  'response-too-large': entry(502, 'function', 'yes', false, 'The answer from PHP is larger than the limit.', 'Return less, stream it, or raise limits.responseMaxBytes (limits.itemMaxBytes for an item of a stream).'),

  // Ours
  'internal-error': entry(500, 'gateway', 'unknown', false, 'The gateway failed: this is a bug.', 'Please report it with the trace id.'),
} as const satisfies Record<string, CodeEntry>;

export type Code = keyof typeof codes;

export const isCode = (value: string): value is Code => Object.hasOwn(codes, value);

/** One broken rule of an input or output. */
export interface Issue {
  /** JSON Pointer (RFC 6901) to the member. */
  readonly pointer: string;
  readonly detail: string;
  /** The rule's name as zod gives it: `too_small`, `invalid_type` … */
  readonly keyword: string;
}

export interface GatewayErrorOptions {
  readonly cause?: unknown;
  readonly executed?: Executed;
  /** Tells kinds of one code apart: `exception`, `fatal`, `exit`, `no-value` … */
  readonly reason?: string;
  readonly issues?: readonly Issue[];
  /** More issues were found than are listed. */
  readonly truncated?: boolean;
  readonly retryAfterMs?: number;
  /** Extra response headers, such as `allow`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** For operators: goes to traces and logs, to callers only when `exposeErrors` is on. */
  readonly privateDetail?: string;
}

/** What load is told: where it was found out says nothing. */
const isRefusal = ({ source, transient }: CodeEntry): boolean => source === 'gateway' && transient;

/** A failure with a code of the table, or one the contract declares (`source: function`, `executed: yes`). */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: string;
  readonly status: number;
  readonly source: ErrorSource;
  readonly title: string;
  readonly executed: Executed;
  readonly transient: boolean;
  readonly reason: string | undefined;
  readonly issues: readonly Issue[];
  readonly truncated: boolean;
  readonly retryAfterMs: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly privateDetail: string | undefined;
  /** Payload of a declared error. */
  readonly data: unknown;
  #explained = false;

  constructor(code: Code, detail: string, options: GatewayErrorOptions = {}) {
    const row: CodeEntry = codes[code];
    const { stackTraceLimit } = Error;
    // Refusals come by the thousand where there is too much to do, and a stack took a tenth of what one costs.
    if (isRefusal(row)) Error.stackTraceLimit = 0;
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.status = row.status;
    this.source = row.source;
    this.title = row.title;
    this.transient = row.transient;
    this.executed = options.executed ?? row.executed;
    this.reason = options.reason;
    this.issues = options.issues ?? [];
    this.truncated = options.truncated ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.headers = options.headers ?? {};
    this.privateDetail = options.privateDetail;
    this.data = undefined;
  }

  /** An error the contract declares: `throw new Failure('no-lines', $data)` in PHP. */
  static declared(failure: { code: string; status: number; message: string; data: unknown }): GatewayError {
    const error = new GatewayError('function-error', failure.message, { executed: 'yes' });
    return Object.assign(error, {
      code: failure.code,
      status: failure.status,
      title: 'The function declared this error.',
      data: failure.data,
    });
  }

  /** The same failure of a call whose earlier attempt may have run: what is known of execution never gets less. */
  afterAttempt(executed: Executed): GatewayError {
    const order: readonly Executed[] = ['no', 'unknown', 'yes'];
    if (!isCode(this.code) || order.indexOf(executed) <= order.indexOf(this.executed)) return this;
    const { reason, retryAfterMs, privateDetail, issues, truncated, headers } = this;
    return new GatewayError(this.code, this.message, {
      executed,
      cause: this,
      issues,
      truncated,
      headers,
      ...(reason === undefined ? {} : { reason }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(privateDetail === undefined ? {} : { privateDetail }),
    });
  }

  /**
   * Says which limit it was, once: `clause` goes behind the value that the text names (`queueMax is 9`), or else into its
   * last sentence. In place, because a copy would take a stack trace more, and under overload there are as many errors as
   * calls.
   */
  explain(clause: string | undefined): this {
    if (!this.#explained && clause !== undefined) {
      const valued = /\b[a-zA-Z.]+ is \d+(?:\.\d+)?(?=[.;,]|$)/.exec(this.message);
      const at = valued === null ? this.message.replace(/\.$/, '').length : valued.index + valued[0].length;
      this.message = `${this.message.slice(0, at)} (${clause})${this.message.slice(at) || '.'}`;
    }
    this.#explained = true;
    return this;
  }

  /** True when the caller may send the same call again and hope. */
  get retryable(): boolean {
    return this.transient && this.executed === 'no';
  }
}

export const isGatewayError = (value: unknown): value is GatewayError => value instanceof GatewayError;

/** All that is known, for whoever starts the gateway. */
export const operatorDetail = (thrown: unknown): string => {
  if (isGatewayError(thrown)) return `${thrown.message} ${thrown.privateDetail ?? ''}`.trim();
  return thrown instanceof Error ? thrown.message : String(thrown);
};

/** Anything thrown that is not ours is a bug of ours (invariant 10). */
export const toGatewayError = (thrown: unknown): GatewayError =>
  isGatewayError(thrown)
    ? thrown
    : new GatewayError('internal-error', 'An unexpected error in the gateway.', {
        cause: thrown,
        privateDetail: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
      });
