/** Calls that stand in line on one worker: a handler that does as its input says, and notes when it begins and ends. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import type { Gateway, InvokeOptions } from '../../gateway/gateway.ts';
import { type Lifetime, openFolder, thisTest } from './lifetime.ts';
import { backendOf } from './php-processes.ts';
import { until } from './until.ts';

/**
 * What a call does between its two notes. `hold`: waits to be told to go on. `memory`: asks for more than there is.
 * `finish`: ends its answer, then holds.
 */
type Deed = 'quick' | 'hold' | 'exit' | 'memory' | 'finish' | 'large' | 'noise';

const WAIT = `while (!is_file("{$input['file']}.{$input['id']}.go")) { usleep(1000); clearstatcache(); }`;

/** Handler body. */
export const WORK = `
  $note = fn (string $what) =>
    file_put_contents($input['file'], "$what {$input['id']} " . getmypid() . "\\n", FILE_APPEND | LOCK_EX);
  $note('begin');
  switch ($input['do']) {
    case 'hold': ${WAIT} break;
    case 'exit': exit;
    case 'memory': str_repeat('x', 1 << 40); break;
    case 'finish': fastcgi_finish_request(); ${WAIT} break;
    case 'large': $note('end'); return str_repeat('x', 3_000_000);
    case 'noise': echo str_repeat('x', 3_000_000); break;
  }
  $note('end');
  return $input['id'];`;

/**
 * All in one moment, so that those behind are put there however slow the machine is: nothing is put behind a first call
 * that has taken long already.
 */
export const atOnce = <T>(send: () => T): T => {
  const now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockReturnValue(now);
  try {
    return send();
  } finally {
    clock.mockRestore();
  }
};

export interface Told {
  /** `ok`, or the error's code. */
  readonly code: string;
  readonly executed?: string;
  readonly value?: unknown;
}

export const toldOf = async (call: Promise<unknown>): Promise<Told> => {
  try {
    return { code: 'ok', value: await call };
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    return { code: error.code, executed: error.executed };
  }
};

/** The calls of one test, which it tells apart by their ids. */
export class Calls {
  readonly #file: string;
  readonly #gateway: Gateway;

  constructor(gateway: Gateway, lifetime: Lifetime = thisTest) {
    this.#gateway = gateway;
    this.#file = join(openFolder(lifetime), 'notes');
  }

  async call(id: string, deed: Deed, name = 'work', options: InvokeOptions = {}): Promise<unknown> {
    return await this.#gateway.invoke(name, { id, do: deed, file: this.#file }, options);
  }

  get #notes(): (readonly [what: string, id: string, pid: number])[] {
    // PHP's user makes it.
    const text = existsSync(this.#file) ? readFileSync(this.#file, 'utf8') : '';
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [what = '', id = '', pid = ''] = line.split(' ');
        return [what, id, Number(pid)];
      });
  }

  /** Ids of the calls that have begun, one for each time, in this order; without those that only taught. */
  get begun(): string[] {
    return this.#notes.flatMap(([what, id]) => (what === 'begin' && id !== 'lesson' ? [id] : []));
  }

  get ended(): string[] {
    return this.#notes.flatMap(([what, id]) => (what === 'end' && id !== 'lesson' ? [id] : []));
  }

  /** Resolves with the pid of its worker once the call has begun so often. */
  async begins(id: string, times = 1): Promise<number> {
    const pids = (): number[] =>
      this.#notes.flatMap(([what, its, pid]) => (what === 'begin' && its === id ? [pid] : []));
    await until(`${id} begins for time ${times}`, () => pids().length >= times);
    return pids().at(-1) ?? 0;
  }

  go(id: string): void {
    writeFileSync(`${this.#file}.${id}.go`, '');
  }

  /** Calls it until it is known to be so short that so many fit on one worker. On a busy machine some come out long. */
  async teach(name = 'work', depth = 8): Promise<void> {
    const known = (): number =>
      this.#gateway.pools().flatMap(({ functions }) => functions.filter((fn) => fn.name === name))[0]?.depth ?? 0;
    await until(`${name} is known to be short`, async () => {
      await this.call('lesson', 'quick', name);
      return known() >= depth;
    });
  }

  /** One call that does this, and others behind it on its worker. Resolves once the first has begun. */
  async inLine(deed: Deed, behind: readonly string[], name = 'work'): Promise<InLine> {
    const calls = atOnce(() =>
      ['first', ...behind].map((id, at) => toldOf(this.call(id, at === 0 ? deed : 'quick', name))),
    );
    const { behind: standing } = backendOf(this.#gateway);
    if (standing !== behind.length) throw new Error(`${standing} calls stand behind the first, not ${behind.length}`);
    const [first, ...others] = calls;
    if (first === undefined) throw new Error('no first');
    return { first, others, pid: await this.begins('first') };
  }
}

export interface InLine {
  readonly first: Promise<Told>;
  readonly others: readonly Promise<Told>[];
  /** Of the worker of the first. */
  readonly pid: number;
}
