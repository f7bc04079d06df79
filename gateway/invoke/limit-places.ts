/** Where the limits of a function were written: environment > config > contract > default, as they were resolved. */
import type { Settings } from '../config.ts';
import { memberAt, type SettingSources, type Source } from '../setting-sources.ts';
import type { GatewayFunction } from './function.ts';

/** What the file of a contract says, before anything else was laid over it. */
export interface ContractText {
  /** `schemas/create-pdf.ts`. */
  readonly file: string;
  readonly members: unknown;
}

export interface PlacesOptions {
  readonly settings: Settings;
  readonly sources: SettingSources;
  readonly contracts: ReadonlyMap<string, ContractText>;
}

type Named = Pick<GatewayFunction, 'name' | 'pool'>;

export class LimitPlaces {
  readonly settings: Settings;
  readonly #sources: SettingSources;
  readonly #contracts: ReadonlyMap<string, ContractText>;

  constructor({ settings, sources, contracts }: PlacesOptions) {
    this.settings = settings;
    this.#sources = sources;
    this.#contracts = contracts;
  }

  /** Of a setting that is for all: `ofSetting('limits', 'bodyMaxBytes')`. */
  ofSetting(...path: readonly string[]): Source {
    return this.#sources.of(...path);
  }

  /** Of a member of the contract, which the config may override, or give for all: `['retry', 'attempts']`. */
  ofMember({ name }: Pick<Named, 'name'>, ...member: readonly string[]): Source {
    const override = this.#sources.of('functions', name, ...member);
    if (override.kind !== 'default') return override;
    const contract = this.#contracts.get(name);
    if (contract !== undefined && memberAt(contract.members, member) !== undefined)
      return { kind: 'contract', file: contract.file, property: member.join('.') };
    return this.#sources.of('defaults', ...member);
  }

  /** Of the function's pool: `['ini', 'memory_limit']`. */
  ofPool({ pool }: Pick<Named, 'pool'>, ...member: readonly string[]): Source {
    return this.#sources.of('pools', pool, ...member);
  }

  /** By the name that messages use: `timeoutMs`, `queueMax`, `limits.bodyMaxBytes`. Undefined: it is none of ours. */
  byName(fn: Named, name: string): Source | undefined {
    if (MEMBERS.has(name)) return this.ofMember(fn, name);
    if (POOL_MEMBERS.has(name)) return this.ofPool(fn, name);
    if (name === 'memory_limit') return this.ofPool(fn, 'ini', name);
    const path = name.split('.');
    return memberAt(this.settings, path) === undefined ? undefined : this.ofSetting(...path);
  }

  /** Of the contract itself; undefined for a function that was not loaded from a file. */
  fileOf(name: string): string | undefined {
    return this.#contracts.get(name)?.file;
  }
}

const MEMBERS: ReadonlySet<string> = new Set([
  'timeoutMs',
  'queueTimeoutMs',
  'inFlightMax',
  'priority',
  'onDisconnect',
  'idempotencyKey',
  'concurrency',
]);
const POOL_MEMBERS: ReadonlySet<string> = new Set(['queueMax', 'queueTargetMs', 'connectTimeoutMs', 'sleepAfterMs']);

/** For the line of a contract's member: found where the text names it exactly once, at the beginning of a line. */
export const lineOfMember = (text: string, member: string): number | undefined => {
  const lines = text.split('\n');
  const at = lines.flatMap((line, index) =>
    new RegExp(`^\\s*['"]?${member}['"]?\\s*:`).test(line) ? [index + 1] : [],
  );
  return at.length === 1 ? at[0] : undefined;
};

export const withLine = (source: Source, lineOf: (file: string, member: string) => number | undefined): Source => {
  if (source.kind !== 'contract') return source;
  const line = lineOf(source.file, source.property.split('.')[0] ?? '');
  return line === undefined ? source : { ...source, line };
};
