/** Where it is kept which operations have begun and how they ended. Another store has to keep the same promises. */

/** One operation of a caller. */
export interface KeyedOperation {
  /** Whose keys these are: one key means nothing in another scope. */
  readonly scope: string;
  readonly key: string;
  /** Of what was asked for: SHA-256. */
  readonly fingerprint: Uint8Array;
}

export interface BeginOptions {
  /** Where nobody knows how the first attempt ended: it begins once more. */
  readonly mayRunAgain: boolean;
  /** How long it may be in flight, ms. */
  readonly timeoutMs: number;
}

export type Begun =
  /** Nobody else has it, and that is on disk: whoever asked runs it, and then calls `finish` or `abandon`. */
  | { readonly kind: 'begun' }
  /** Somebody runs it, for so long at most. */
  | { readonly kind: 'inFlight'; readonly remainingMs: number }
  /** The key stands for something else. */
  | { readonly kind: 'mismatch' }
  /** Whoever ran it ended before it did: it may have run, in part or as a whole. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'done'; readonly answer: Uint8Array };

/**
 * Several gateways may share one. Everything but `close` rejects with GatewayError: `store-unavailable` when nothing is
 * known of the key, `storage-full` when there is no room for another one.
 */
export interface KeyStore {
  /** Ready for keys, or rejects with why not. The first `begin` does it, too. */
  open(): Promise<void>;
  begin(operation: KeyedOperation, options: BeginOptions): Promise<Begun>;
  /** Resolves when the answer outlives us. For whoever was told `begun`. */
  finish(operation: KeyedOperation, answer: Uint8Array): Promise<void>;
  /** It did not run: the key is free again. For whoever was told `begun`. */
  abandon(operation: KeyedOperation): Promise<void>;
  /** Removes some of what has expired; false: there is more. */
  sweep(): Promise<boolean>;
  /** What is still in flight is `unknown` from then on. Idempotent. */
  close(): Promise<void>;
}
