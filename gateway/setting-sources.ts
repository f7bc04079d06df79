/** Where each setting was written: a variable, the config file, a contract, or nowhere. Pure. */
import type { Override } from './environment.ts';

export type Source =
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'config'; readonly file: string; readonly property: string }
  | { readonly kind: 'contract'; readonly file: string; readonly property: string; readonly line?: number }
  /** Nobody wrote it. */
  | { readonly kind: 'default' }
  /** It follows from others. */
  | { readonly kind: 'computed'; readonly from: string }
  /** Of PHP that somebody else runs. */
  | { readonly kind: 'elsewhere'; readonly place: string };

export const DEFAULT: Source = { kind: 'default' };

/** `timeoutMs in schemas/slow.ts`, for sentences. */
export const sourceText = (source: Source): string => {
  switch (source.kind) {
    case 'environment':
      return source.variable;
    case 'config':
      return `${source.property} in ${source.file}`;
    case 'contract':
      return `${source.property} in ${source.file}${source.line === undefined ? '' : `:${source.line}`}`;
    case 'default':
      return 'default';
    case 'computed':
      return `from ${source.from}`;
    case 'elsewhere':
      return source.place;
  }
};

/** Own members alone: a path may hold names that callers of the gateway chose, such as `constructor`. */
export const memberAt = (root: unknown, path: readonly string[]): unknown => {
  let node = root;
  for (const key of path) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, key)) return undefined;
    node = (node as Readonly<Record<string, unknown>>)[key];
  }
  return node;
};

export class SettingSources {
  readonly #config: unknown;
  readonly #overrides: readonly Override[];
  /** The config's, for messages. */
  readonly file: string;

  /** `config`: as it was written, before defaults. */
  constructor(config: unknown, overrides: readonly Override[], file: string) {
    this.#config = config;
    this.#overrides = overrides;
    this.file = file;
  }

  of(...path: readonly string[]): Source {
    // A variable may hold a whole group as JSON, and then replaces all that the config says of it.
    const override = this.#overrides.findLast(({ path: start }) => start.every((key, at) => key === path[at]));
    if (override !== undefined) {
      const said = memberAt(override.value, path.slice(override.path.length));
      return said === undefined ? DEFAULT : { kind: 'environment', variable: override.variable };
    }
    if (memberAt(this.#config, path) === undefined) return DEFAULT;
    return { kind: 'config', file: this.file, property: path.join('.') };
  }

  isSaid(...path: readonly string[]): boolean {
    return this.of(...path).kind !== 'default';
  }
}
