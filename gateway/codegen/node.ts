/**
 * What a value is, between a contract's JSON Schema and the languages types are written in. Pure data.
 *
 * Objects, enums and definitions get names later, and by their identity: the same node is the same type.
 */
import type { FileRules } from '../upload.ts';

export type Literal = string | number | boolean | null;

/** What people wrote about a value. */
export interface Doc {
  readonly text: string | undefined;
  readonly deprecated: boolean;
}

/** A text that a date object gives back to the letter: `Y-m-d` and the like, as PHP writes it. */
export interface DateFormat {
  readonly php: string;
}

export interface Property {
  readonly name: string;
  readonly node: Node;
  readonly required: boolean;
  /** What the gateway puts where it was left out. */
  readonly defaultsTo: { readonly value: unknown } | undefined;
  readonly doc: Doc;
}

export interface ObjectNode {
  readonly kind: 'object';
  readonly properties: readonly Property[];
  /** What further members are; undefined: they are refused or dropped. */
  readonly extra: Node | undefined;
  readonly doc: Doc;
}

/** At least two texts, or two whole numbers. */
export interface EnumNode {
  readonly kind: 'enum';
  readonly values: readonly (string | number)[];
}

export interface UnionNode {
  readonly kind: 'union';
  /** In the contract's order; null, where it is one of them, comes last. */
  readonly of: readonly Node[];
}

/** A schema with a name of its own in the JSON Schema, or one that holds itself. */
export interface Definition {
  readonly key: string;
  /** Named by people with `.meta({ id })`: one type for all functions. */
  readonly shared: boolean;
  readonly node: Node;
}

export type Node =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'never' }
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean' }
  | { readonly kind: 'integer'; readonly min: number | undefined; readonly max: number | undefined }
  | { readonly kind: 'number' }
  | { readonly kind: 'string'; readonly nonEmpty: boolean; readonly date: DateFormat | undefined }
  /** One value, or several of different types. */
  | { readonly kind: 'literal'; readonly values: readonly Literal[] }
  | EnumNode
  | { readonly kind: 'list'; readonly item: Node; readonly nonEmpty: boolean }
  | {
      readonly kind: 'tuple';
      readonly items: readonly Node[];
      readonly required: number;
      readonly rest: Node | undefined;
    }
  | { readonly kind: 'record'; readonly value: Node }
  | ObjectNode
  | UnionNode
  /** All of these at once, where they do not make one object. */
  | { readonly kind: 'all'; readonly of: readonly Node[] }
  | { readonly kind: 'ref'; readonly target: Definition }
  | { readonly kind: 'file'; readonly rules: FileRules };

export type Read = (schema: unknown) => Node;

export const UNKNOWN: Node = { kind: 'unknown' };
export const NULL: Node = { kind: 'null' };

/** Behind the references it begins with; a definition that is nothing but itself is anything. */
export const resolved = (node: Node): Node => {
  let found = node;
  for (const seen = new Set<Node>(); found.kind === 'ref'; found = found.target.node) {
    if (seen.has(found)) return UNKNOWN;
    seen.add(found);
  }
  return found;
};

export const isNull = (node: Node): boolean => node.kind === 'null';

/** What a node is made of, without what references point to. */
export const childrenOf = (node: Node): readonly Node[] => {
  switch (node.kind) {
    case 'list':
      return [node.item];
    case 'tuple':
      return [...node.items, ...(node.rest === undefined ? [] : [node.rest])];
    case 'record':
      return [node.value];
    case 'object':
      return [...node.properties.map((property) => property.node), ...(node.extra === undefined ? [] : [node.extra])];
    case 'union':
    case 'all':
      return node.of;
    default:
      return [];
  }
};
