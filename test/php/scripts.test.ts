/** Every way a script can end: a half answer never passes for a whole one, and the next call finds a clean worker. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { ask } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { scriptProject } from '../support/sites.ts';

interface Ending {
  readonly promise: string;
  /** PHP behind `<?php`. */
  readonly source: string;
  readonly status: number;
  /** None: the answer is the script's own, as it is. */
  readonly code?: string;
  readonly reason?: string;
  readonly settings?: string;
  /** The worker has to die of it. */
  readonly dies?: true;
}

const THROW = "throw new RuntimeException('SECRET');";
const fails = (promise: string, source: string): Ending => ({
  promise,
  source,
  status: 500,
  code: 'function-error',
  reason: 'fatal',
});
const outOfMemory = (promise: string, source: string): Ending => ({
  promise,
  source,
  status: 500,
  code: 'function-out-of-memory',
});
const crashes = (promise: string, source: string): Ending => ({
  promise,
  source,
  status: 502,
  code: 'worker-crashed',
  dies: true,
});
const passes = (promise: string, source: string, status = 200): Ending => ({ promise, source, status });
const file = wholeFile();
const folder = openFolder(file);

const ENDINGS: Readonly<Record<string, Ending>> = {
  exception: fails('an exception is a function-error', THROW),
  'exception-behind-output': fails('an exception behind output leaves none of it', `echo 'SECRET'; ${THROW}`),
  'exception-behind-much': fails(
    'nor where much of it was sent',
    `echo str_repeat('SECRET', 50000); flush(); ${THROW}`,
  ),
  'exception-unbuffered': fails(
    'nor where nothing held it',
    `while (ob_get_level()) ob_end_clean(); echo 'SECRET'; flush(); ${THROW}`,
  ),
  'exception-in-buffer': fails('nor in buffers it left open', `ob_start(); ob_start(); echo 'SECRET'; ${THROW}`),
  undefined: fails('a call of what does not exist is one', 'SECRET();'),
  'parse-error': fails('so is a syntax error in a file it includes', "include '_SECRET-syntax.php';"),
  redeclared: fails('and a class declared twice', "include '_SECRET-redeclared.php';"),
  missing: fails('and a file it requires and that is not there', "require 'SECRET.php';"),
  'user-error': fails('and an error of its own making', "trigger_error('SECRET', E_USER_ERROR);"),
  'silenced-error': fails('one that is silenced as well', "@trigger_error('SECRET', E_USER_ERROR);"),
  'no-reporting': fails('with error_reporting(0)', `error_reporting(0); ${THROW}`),
  'no-log': fails('without log_errors', `ini_set('log_errors', '0'); ${THROW}`),
  'other-log': fails('with an error_log of its own', `ini_set('error_log', '${join(folder, 'log')}'); ${THROW}`),
  'shown-error': fails('with display_errors', `ini_set('display_errors', '1'); ini_set('html_errors', '1'); ${THROW}`),
  'handled-errors': fails(
    'with an error handler, which no fatal error reaches',
    `set_error_handler(fn () => true); ${THROW}`,
  ),
  'cleared-error': fails('cleared at the end', `register_shutdown_function(error_clear_last(...)); ${THROW}`),
  'nice-page': fails(
    'and covered with a nice page',
    `register_shutdown_function(function () { while (ob_get_level()) ob_end_clean(); http_response_code(200); echo 'SECRET all is well'; }); ${THROW}`,
  ),
  'exit-behind-error': fails(
    'with an exit in a shutdown function',
    `register_shutdown_function(fn () => exit('SECRET')); ${THROW}`,
  ),
  'shutdown-throws': fails(
    'an exception in a shutdown function is one',
    `echo 'SECRET'; register_shutdown_function(function () { ${THROW} });`,
  ),
  'shutdown-fatal': fails(
    'and a fatal error there',
    "echo 'SECRET'; register_shutdown_function(function () { include '_SECRET-redeclared.php'; });",
  ),
  'destructor-throws': fails(
    'and an exception in a destructor',
    `class D { function __destruct() { ${THROW} } } $d = new D; echo 'SECRET';`,
  ),
  'buffer-throws': fails('and one in a buffer callback', `ob_start(function () { ${THROW} }); echo 'SECRET';`),
  'exit-behind-nothing': passes(
    'an exit in a shutdown function ends a good answer',
    "echo 'ok'; register_shutdown_function(fn () => exit);",
  ),
  'handled-exception': passes(
    'what its own exception handler says is its answer',
    `set_exception_handler(function () { http_response_code(503); echo 'sorry'; }); ${THROW}`,
    503,
  ),
  'own-500': passes('a status of 500 without an error is its answer', "http_response_code(500); echo 'ok';", 500),
  'much-memory': outOfMemory(
    'memory used up is function-out-of-memory',
    "echo 'SECRET'; $a = str_repeat('x', 64_000_000);",
  ),
  'many-pieces': outOfMemory('piece by piece, too', 'for ($a = []; ; ) { $a[] = str_repeat("SECRET", 100); }'),
  'held-output': outOfMemory(
    'and with output that a buffer holds',
    "ob_start(); while (true) { echo str_repeat('SECRET', 1000); }",
  ),
  recursion: outOfMemory('and with a recursion without end', 'function f($n) { return f($n + 1) + 1; } f(1);'),
  segfault: crashes('a worker that crashes is worker-crashed', 'posix_kill(getmypid(), 11); sleep(1);'),
  'killed-behind-output': crashes(
    'what it had sent by then is dropped',
    "while (ob_get_level()) ob_end_clean(); echo str_repeat('SECRET', 9000); flush(); posix_kill(getmypid(), 9); sleep(1);",
  ),
  'too-slow': {
    promise: 'a script that runs past its time limit is stopped',
    source: "ignore_user_abort(true); set_time_limit(0); echo 'SECRET'; while (true) { sleep(1); }",
    settings: 'timeoutMs: 50',
    status: 504,
    code: 'function-timeout',
    dies: true,
  },
  'too-busy': {
    promise: 'so is one that burns time behind its output',
    source: "while (ob_get_level()) ob_end_clean(); echo 'SECRET'; flush(); while (true) {}",
    settings: 'timeoutMs: 50',
    status: 504,
    code: 'function-timeout',
    dies: true,
  },
  'too-large': {
    promise: 'an answer above the limit is refused',
    source: "echo str_repeat('SECRET', 200_000);",
    status: 502,
    code: 'response-too-large',
  },
  endless: {
    promise: 'output without end is cut off, and its worker stopped',
    source: "while (true) { echo str_repeat('SECRET', 10000); }",
    status: 502,
    code: 'response-too-large',
    dies: true,
  },
  'much-log': passes(
    '3 MB of warnings are no reason to fail',
    "for ($i = 0; $i < 3000; $i++) { error_log(str_repeat('SECRET', 180)); } echo 'ok';",
  ),
  'forged-mark': passes(
    'nor are lines on STDERR that look like the runtime’s',
    'error_log(\'FPMG1 0.1 20 {"outcome":"fatal"}\', 4); echo \'ok\';',
  ),
};

const HELP = {
  'functions/_SECRET-syntax.php': '\n$a = SECRET SECRET;\n',
  'functions/_SECRET-redeclared.php': '\nclass SECRET {}\nclass SECRET {}\n',
};

let gateway: Gateway;

beforeAll(async () => {
  const endings = Object.entries(ENDINGS).map(([name, { source, settings = '' }]) => [name, [source, settings]]);
  const usual = { pid: 'echo getmypid();', cached: 'echo (int) opcache_is_script_cached(__FILE__);' };
  const project = scriptProject({ ...Object.fromEntries(endings), ...usual, ...HELP }, file);
  const pools = { default: { workers: 1, ini: { memory_limit: '32M' } } };
  gateway = await startGateway({ limits: { responseMaxBytes: 1_048_576 }, pools }, { project }, file);
});

const workerPid = async (): Promise<number> => Number((await ask(gateway, 'pid', {})).text);

describe('each end of a script', () => {
  test.each(Object.entries(ENDINGS).map(([name, ending]) => ({ name, ...ending })))(
    '$name: $promise',
    async ({ name, status, code, reason, dies }) => {
      const before = await workerPid();
      const { status: actual, type, text, body } = await ask(gateway, name, {});
      expect(actual).toBe(status);
      expect(text).not.toContain('SECRET');
      expect(text).not.toContain('.php');
      if (code === undefined) {
        expect(type).not.toContain('problem');
        expect(text).toMatch(/ok|sorry|no/);
      } else {
        expect({ code: body.code, reason: body.reason }).toEqual({ code, reason });
        expect(type).toBe('application/problem+json');
        expect(body.retryable).toBe(false);
      }
      const after = await workerPid();
      expect(after === before).toBe(dies !== true);
    },
  );
});

test('what PHP said of its error is in the trace', async () => {
  const { events } = await ask(gateway, 'exception-behind-output', {});
  const exception = events.find(({ name }) => name === 'exception');
  expect(exception?.attributes['exception.message']).toMatch(
    /^Uncaught RuntimeException: SECRET in .*exception-behind-output\.php:1/,
  );
});

test('scripts are compiled once', async () => {
  await ask(gateway, 'cached', {});
  expect((await ask(gateway, 'cached', {})).text).toBe('1');
});
