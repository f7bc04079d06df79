/** Handlers called in one PHP process, as a resident worker does, and what the sentinel says after each call. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from './lifetime.ts';

const run = promisify(execFile);
const PHP_FOLDER = join(import.meta.dirname, '..', '..', 'gateway', 'php');

export interface Leak {
  /** Which call it was told after, from 1 on. */
  readonly call: number;
  readonly kind: string;
  readonly name: string;
  readonly detail: string;
  readonly restored: boolean;
}

export interface Watched {
  /** Body of a handler that gets `$n` (the number of the call) and `$app`; `echo` is called unless `functions` has more. */
  readonly handler: string;
  /** Handlers beside `echo`, called in turns with it. */
  readonly others?: Readonly<Record<string, string>>;
  /** Declarations, loaded before the sentinel begins; in namespace Shop. What it returns is `$app`. */
  readonly app?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly calls?: number;
  readonly first?: number;
  readonly dense?: boolean;
  /** An expression whose value is taken before each call. */
  readonly seen?: string;
  readonly ini?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Report {
  readonly leaks: readonly Leak[];
  readonly seen: readonly unknown[];
}

const RUN = `<?php
declare(strict_types=1);
(static function (): void {
    require '${PHP_FOLDER}/autoload.php';
    chdir(__DIR__);
    $options = json_decode((string) file_get_contents('options.json'), true);
    $app = require __DIR__ . '/app.php';
    $app = $app === 1 ? null : $app;
    $handlers = [];
    foreach ($options['functions'] as $name) {
        $handlers[$name] = require __DIR__ . "/functions/$name.php";
    }
    $see = require __DIR__ . '/see.php';
    $sentinel = new FpmGateway\\Resident\\Sentinel(['first' => $options['first'], 'dense' => $options['dense']]);
    $sentinel->begin($app, $handlers);
    $leaks = [];
    $seen = [];
    for ($n = 1; $n <= $options['calls']; ++$n) {
        foreach ($handlers as $name => $handler) {
            $startedNs = hrtime(true);
            // Kept for those who ask: it is memory that grows.
            if ($see !== null) {
                $seen[] = $see();
            }
            $handler($n, $app);
            foreach ($sentinel->afterCall($name, $startedNs) as $leak) {
                $leaks[] = ['call' => $n] + $leak;
            }
        }
    }
    fwrite(STDOUT, json_encode(['leaks' => $leaks, 'seen' => $seen], JSON_THROW_ON_ERROR));
})();
`;

const fileOf = (body: string): string => `<?php\ndeclare(strict_types=1);\nnamespace Shop;\n${body}\n`;

/** Rejects when PHP says anything on standard error. */
export const watch = async (watched: Watched): Promise<Report> => {
  const { others = {}, files = {}, calls = 40, first = 20, dense = false, ini = [], env = {} } = watched;
  const handlers = { echo: watched.handler, ...others };
  const folder = temporaryFolder();
  const all = {
    'run.php': RUN,
    'app.php': fileOf(watched.app ?? ''),
    'see.php': fileOf(watched.seen === undefined ? 'return null;' : `return static fn (): mixed => ${watched.seen};`),
    'options.json': JSON.stringify({ calls, first, dense, functions: Object.keys(handlers) }),
    ...Object.fromEntries(
      Object.entries(handlers).map(([name, body]) => [
        `functions/${name}.php`,
        fileOf(`return static function (int $n, mixed $app): void {\n${body}\n};`),
      ]),
    ),
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const settings = ['display_errors=stderr', 'error_reporting=-1', 'log_errors=0', ...ini];
  const args = [...settings.flatMap((setting) => ['-d', setting]), join(folder, 'run.php')];
  const { stdout, stderr } = await run('php', args, { env: { PATH: process.env.PATH, ...env } });
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout) as Report;
};

/** Leaks without their numbers and details. */
export const named = (leaks: readonly Leak[]): string[] => [
  ...new Set(leaks.map(({ kind, name, restored }) => `${kind} ${name}${restored ? ' (put back)' : ''}`)),
];
