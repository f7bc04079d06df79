/** How an HTTP caller wrote the input of its call: a script sees it again, a handler gets the validated value alone. */
import type { Content } from '../contract.ts';

/** Name and text of a field as sent: `tag[]`, `a`. */
export type FieldText = readonly [name: string, text: string];

export interface FieldTexts {
  /** In the order sent, by the top-level member they belong to. */
  readonly pairs: ReadonlyMap<string, readonly FieldText[]>;
  /** What they say as PHP decodes their names, texts still being texts. */
  readonly tree: Readonly<Record<string, unknown>>;
}

export interface Written {
  /** `none`: no body. */
  readonly content: Content | 'none';
  readonly query: FieldTexts;
  /** File inputs of a multipart form that were left empty, by their names as sent. */
  readonly emptyFiles: readonly string[];
  /** Of a form or the text parts of multipart. */
  readonly body: FieldTexts;
  /** The Content-Type of a raw body, as sent. */
  readonly contentType: string | undefined;
}

/** The input of a call before the contract's schema has seen it. */
export interface CallInput {
  /** Members of query and body in one object, texts turned into what the schema asks for; files are `Upload`s. */
  readonly value: unknown;
  readonly written: Written;
}
