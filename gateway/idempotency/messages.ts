/** What the store and its thread say to each other. */
import type { KeyFailure } from './failure.ts';
import type { BeginKey, KeyAnswer, KeyFileOptions } from './key-file.ts';

export type ThreadOptions = Pick<KeyFileOptions, 'path' | 'owner' | 'ttlMs' | 'keysMax' | 'maxBytes'>;

export type KeyTask =
  | ({ readonly task: 'begin' } & BeginKey)
  | { readonly task: 'finish'; readonly id: Uint8Array; readonly answer: Uint8Array }
  | { readonly task: 'abandon'; readonly id: Uint8Array }
  | { readonly task: 'open' | 'sweep' | 'close' };

export interface KeyRequest {
  readonly number: number;
  readonly task: KeyTask;
}

export type KeyResult =
  | { readonly kind: 'ok'; readonly answer: KeyAnswer | undefined; readonly isSwept: boolean }
  | { readonly kind: 'failed'; readonly failure: KeyFailure };

export interface KeyReply {
  readonly number: number;
  readonly result: KeyResult;
}
