/** When a resident worker has to go, and why others went. Pure, but for the clock it is told. */
import type { ResidentSettings } from '../config-pools.ts';
import type { Leak, Meta } from './envelope.ts';

/** Why a worker was replaced. The first five by choice, when its call was over. */
export const ENDINGS = [
  'calls',
  'memory',
  'age',
  'leak',
  'master',
  'exit',
  'fatal-error',
  'out-of-memory',
  'stopped',
  'crashed',
] as const;
export type Ending = (typeof ENDINGS)[number];

/** Workers that began together must not all go together: each has its own limits, by up to a tenth more or less. */
const SPREAD = 0.1;

const spread = (value: number, random: number): number => value * (1 + SPREAD * (2 * random - 1));

/** Left behind by a call and not put back. */
export const isLasting = ({ restored }: Leak): boolean => !restored;

const ENDS_PHP: ReadonlySet<Meta['outcome'] | undefined> = new Set(['exit', 'fatal', 'out-of-memory']);

/** See Resident/Printed.php. */
const isSpoiling = ({ kind, restored }: Leak): boolean => !restored && (kind === 'output' || kind === 'output-buffer');

export class WorkerLife {
  /** On the `performance.now()` clock. */
  readonly bornMs: number;
  readonly #settings: ResidentSettings;
  readonly #callsMax: number;
  readonly #ageMaxMs: number;
  #served = 0;
  #memoryBytes = 0;
  /** Calls beside the one that told of it. */
  #running = 0;
  #leaked = false;
  #spoiled = false;
  #lastOutcome: Meta['outcome'] | undefined;
  /** The gateway ended it: its call was late, or nobody wanted its answer. */
  stopped = false;
  /** The master that forked it has died: another may have loaded other code. */
  masterDied = false;

  /** `random`: two numbers from 0 to 1. */
  constructor(settings: ResidentSettings, bornMs: number, random: readonly [number, number]) {
    this.#settings = settings;
    this.bornMs = bornMs;
    this.#callsMax = Math.max(1, Math.round(spread(settings.callsMax, random[0])));
    this.#ageMaxMs = spread(settings.ageMaxMs, random[1]);
  }

  get served(): number {
    return this.#served;
  }

  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  note(meta: Meta): void {
    this.#lastOutcome = meta.outcome;
    this.#served = meta.served ?? this.#served;
    this.#memoryBytes = meta.memoryBytes ?? this.#memoryBytes;
    this.#running = meta.running ?? 0;
    if (meta.leaks?.some(isSpoiling)) this.#spoiled = true;
    if (this.#settings.leaks === 'recycle' && meta.leaks?.some(isLasting)) this.#leaked = true;
  }

  /** Why it is to be replaced; undefined: it may stay. */
  due(nowMs: number): Ending | undefined {
    if (this.#leaked) return 'leak';
    if (this.masterDied) return 'master';
    const { memoryMaxBytes, callMemoryBytes } = this.#settings;
    // What calls hold that run is theirs, and comes back.
    if (this.#memoryBytes - this.#running * callMemoryBytes > memoryMaxBytes) return 'memory';
    if (this.#served >= this.#callsMax) return 'calls';
    return nowMs - this.bornMs >= this.#ageMaxMs ? 'age' : undefined;
  }

  /** What handlers print cannot be told from nothing any more, whatever the policy: it must serve no other call. */
  get isSpoiled(): boolean {
    return this.#spoiled;
  }

  /** Its last call ended PHP: it serves no other. */
  get isOver(): boolean {
    return ENDS_PHP.has(this.#lastOutcome);
  }

  /** Why it has ended, when nobody had decided so. */
  get ending(): Ending {
    if (this.stopped) return 'stopped';
    if (this.#spoiled) return 'leak';
    switch (this.#lastOutcome) {
      case 'exit':
        return 'exit';
      case 'fatal':
        return 'fatal-error';
      case 'out-of-memory':
        return 'out-of-memory';
      default:
        return 'crashed';
    }
  }
}
