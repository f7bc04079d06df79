/**
 * What a client knows of functions, as types: a generated file (`interface Functions`) or contracts themselves
 * (`typeof import('../schemas/echo.ts').default`). Nothing here exists at run time.
 *
 * Every type is looked up for one function at a time, never mapped over all of them: a project of 1,000 functions pays
 * for those it calls. zod is read by the shape of its types, so programs without zod can use a generated file.
 */

/** `json`: one value. `binary`: a `Blob`. `stream`: items. `bytes`: a stream of bytes. */
export type FunctionKind = 'json' | 'binary' | 'stream' | 'bytes';

/** One function in a generated file. */
export interface FunctionShape {
  readonly kind: FunctionKind;
  /** What callers give; files are `Blob`s. */
  readonly input: unknown;
  /** `json`: the value. `binary`: `Blob`. `stream`: one item. `bytes`: `Uint8Array`. */
  readonly output: unknown;
  /** Declared errors: code → its data; `{}` for none. */
  readonly errors: object;
}

/** The names of functions: also one of several scripts, `shop/list.php`. */
export type Name<F> = keyof F & string;

type ContractKind<O> = O extends { kind: 'binary' }
  ? 'binary'
  : O extends { kind: 'stream'; item: infer T }
    ? T extends { kind: 'binary' }
      ? 'bytes'
      : 'stream'
    : 'json';

type ContractOutput<O> = O extends { _zod: { output: infer V } }
  ? V
  : O extends { kind: 'binary' }
    ? Blob
    : O extends { kind: 'stream'; item: infer T }
      ? T extends { _zod: { output: infer V } }
        ? V
        : Uint8Array
      : never;

type ErrorData<D> = D extends { _zod: { output: infer V } }
  ? V
  : D extends { data: { _zod: { output: infer V } } }
    ? V
    : unknown;

/** A contract without errors has an index signature where their codes would be. */
type ContractErrors<E> = string extends keyof E ? object : { readonly [C in keyof E]: ErrorData<E[C]> };

export type KindOf<T> = T extends { kind: infer K } ? K : T extends { output: infer O } ? ContractKind<O> : never;

export type InputOf<T> = T extends { kind: FunctionKind; input: infer I }
  ? I
  : T extends { input: { _zod: { input: infer I } } }
    ? I
    : never;

export type OutputOf<T> = T extends { kind: FunctionKind; output: infer O }
  ? O
  : T extends { output: infer O }
    ? ContractOutput<O>
    : never;

/** Declared errors: code → data. */
export type ErrorsOf<T> = T extends { kind: FunctionKind; errors: infer E }
  ? E
  : T extends { errors?: infer E }
    ? ContractErrors<NonNullable<E>>
    : object;

/**
 * True of several functions whose inputs and outputs differ. Asked of the functions, not of their names: those the
 * compiler would go through all, for each function of the project.
 */
type Several<T, All = T> = T extends unknown ? ([All] extends [T] ? never : true) : never;

/** A name, where it is that of one function. */
type One<T, N> = true extends Several<T> ? 'name one function: this may be several' : N;

/** A name whose function `T` answers once; for a stream a text that says what to do, which the compiler shows. */
export type WholeName<T, N> =
  KindOf<T> extends 'stream' | 'bytes' ? 'this function streams: use client.stream()' : One<T, N>;

/** A name whose function `T` streams. */
export type StreamName<T, N> =
  KindOf<T> extends 'stream' | 'bytes' ? One<T, N> : 'this function does not stream: use client.call()';

/** Whether a file must be given; one that may be left out is undefined, too. */
type NeedsFile<I> = unknown extends I
  ? never
  : I extends Blob
    ? true
    : { [K in keyof I]-?: I[K] extends Blob | readonly Blob[] ? true : never }[keyof I];

/** What an item of a batch gives to function `T`; else a text that says why it has no place there. */
export type BatchInput<T> =
  KindOf<T> extends 'stream' | 'bytes'
    ? 'this function streams: use client.stream()'
    : true extends NeedsFile<InputOf<T>>
      ? 'files cannot go in a batch: use client.call()'
      : InputOf<T>;
