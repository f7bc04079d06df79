/** What the overload is played on: a project, a gateway on real php-fpm, and callers in processes of their own. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configOf, contractOf, generateProject } from '../../bench/generated.ts';
import type { Life } from '../../bench/life.ts';
import { type GatewayPeer, startGateway } from '../../bench/peers/gateway.ts';
import type { Called, Order } from './callers.ts';
import type { Noted } from './figures.ts';

/** What bounds the function `work`. */
export interface Bound {
  readonly workers: number;
  readonly workMs: number;
}

export const NEIGHBOURS = 20;
/** Linux counts in hundredths of a second. */
const TICK_MS = 10;
const CALLERS = join(import.meta.dirname, 'callers.ts');
const OBSERVED = ['--conditions=fpm-gateway-source', join(import.meta.dirname, 'observed-gateway.ts')];

/** It notes when it began, if it is told where to. */
const handlerOf = (ms: number, startsFile: string | undefined): string => {
  const note =
    startsFile === undefined
      ? ''
      : `file_put_contents(${JSON.stringify(startsFile)}, sprintf("%.3F %s\\n", microtime(true) * 1000, $input['id']), FILE_APPEND); `;
  const wait = ms > 0 ? `usleep(${ms * 1000}); ` : '';
  return `<?php\ndeclare(strict_types=1);\n\nreturn static function (array $input): array { ${note}${wait}return ['done' => true]; };\n`;
};

const CONTRACT = contractOf(
  'input: z.strictObject({ id: z.string().max(64) }), output: z.strictObject({ done: z.boolean() })',
);

export const neighbours = Array.from({ length: NEIGHBOURS }, (_, n) => `n${n}`);

const projectIn = (parent: string, startsFile: string, { workers, workMs }: Bound): string => {
  const handlers: Record<string, string> = { work: handlerOf(workMs, startsFile), empty: handlerOf(0, undefined) };
  for (const name of neighbours) handlers[name] = handlerOf(workMs, undefined);
  const files = Object.entries(handlers).flatMap(([name, php]) => [
    [`schemas/${name}.ts`, CONTRACT],
    [`functions/${name}.php`, php],
  ]);
  const config = { pools: { default: { workers } } };
  return generateProject({
    parent,
    name: 'overload',
    files: { ...Object.fromEntries(files), 'deploy/gateway.config.ts': configOf(config) },
  });
};

const timesIn = (file: string): ReadonlyMap<string, number> =>
  new Map(
    readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .map(([ms = '', id = '']) => [id, Number(ms)]),
  );

export class Stage {
  readonly gateway: GatewayPeer;
  readonly #life: Life;
  readonly #folder: string;
  #orders = 0;

  private constructor(life: Life, folder: string, gateway: GatewayPeer) {
    this.#life = life;
    this.#folder = folder;
    this.gateway = gateway;
  }

  static async open(life: Life, bound: Bound): Promise<Stage> {
    const folder = life.folder();
    const noted = join(folder, 'noted');
    mkdirSync(noted);
    // PHP's user writes there.
    chmodSync(noted, 0o777);
    for (const name of ['starts', 'seen']) {
      writeFileSync(join(noted, name), '');
      chmodSync(join(noted, name), 0o666);
    }
    const gateway = await startGateway(life, folder, {
      project: projectIn(folder, join(noted, 'starts'), bound),
      workers: bound.workers,
      program: OBSERVED,
      env: {
        OVERLOAD_SEEN_FILE: join(noted, 'seen'),
        FPMG_LOG__LEVEL: 'silent',
        FPMG_HTTP__MAX_CONNECTIONS: '8000',
      },
    });
    return new Stage(life, folder, gateway);
  }

  /** When PHP began calls, and when the gateway saw them come and their callers leave. */
  get noted(): Noted {
    const noted = join(this.#folder, 'noted');
    return { starts: timesIn(join(noted, 'starts')), seen: timesIn(join(noted, 'seen')) };
  }

  /** What the gateway's process has had of the CPU, ms. */
  get cpuMs(): number {
    const fields = readFileSync(`/proc/${this.gateway.pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  }

  async call(order: Omit<Order, 'port' | 'name'>): Promise<readonly Called[]> {
    this.#orders += 1;
    const file = join(this.#folder, `order-${this.#orders}.json`);
    const whole: Order = { ...order, port: this.gateway.port, name: `o${this.#orders}` };
    writeFileSync(file, JSON.stringify(whole));
    const out = await this.#life.run({ command: process.execPath, args: [CALLERS, file] });
    return JSON.parse(out) as readonly Called[];
  }
}
