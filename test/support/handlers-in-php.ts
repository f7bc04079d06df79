/** Handlers in a PHP process of their own, without a worker: a script calls them, and prints what it saw as JSON. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from './lifetime.ts';

const run = promisify(execFile);
const PHP_FOLDER = join(import.meta.dirname, '..', '..', 'gateway', 'php');

export interface HandlersInPhp {
  /** Its `run.php`: it begins with `[$options, $app, $handlers] = require __DIR__ . '/start.php'`. */
  readonly script: string;
  /** Declarations in namespace Shop, loaded before handlers; what it returns is `$app`. */
  readonly app: string;
  /** By name, the text of their files: in namespace Shop. */
  readonly handlers: Readonly<Record<string, string>>;
  readonly options: object;
  readonly files: Readonly<Record<string, string>>;
  readonly ini: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const START = `<?php
declare(strict_types=1);
return (static function (): array {
    require '${PHP_FOLDER}/autoload.php';
    chdir(__DIR__);
    $options = json_decode((string) file_get_contents('options.json'), true);
    $app = require __DIR__ . '/app.php';
    $handlers = [];
    foreach ($options['functions'] as $name) {
        $handlers[$name] = require __DIR__ . "/functions/$name.php";
    }
    return [$options, $app === 1 ? null : $app, $handlers];
})();
`;

export const inShop = (body: string): string => `<?php\ndeclare(strict_types=1);\nnamespace Shop;\n${body}\n`;

/** What the script printed. Rejects when PHP says anything on standard error. */
export const runHandlers = async (given: HandlersInPhp): Promise<unknown> => {
  const folder = temporaryFolder();
  const all = {
    'run.php': given.script,
    'start.php': START,
    'app.php': inShop(given.app),
    'options.json': JSON.stringify({ ...given.options, functions: Object.keys(given.handlers) }),
    ...Object.fromEntries(
      Object.entries(given.handlers).map(([name, text]) => [`functions/${name}.php`, inShop(text)]),
    ),
    ...given.files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const settings = ['display_errors=stderr', 'error_reporting=-1', 'log_errors=0', ...given.ini];
  const args = [...settings.flatMap((setting) => ['-d', setting]), join(folder, 'run.php')];
  const { stdout, stderr } = await run('php', args, { env: { PATH: process.env.PATH, ...given.env } });
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout);
};
