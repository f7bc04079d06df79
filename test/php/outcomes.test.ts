/** Every way a handler can end, with the error a caller gets for it. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { ask } from '../support/call.ts';
import { eachEngine } from '../support/engines.ts';
import { wholeFile } from '../support/lifetime.ts';
import { type Functions, functionsProject } from '../support/project.ts';

interface Told {
  readonly status: number;
  /** Empty: it succeeds. */
  readonly code: string;
  readonly reason?: string;
  readonly executed?: string;
}

interface Ending extends Told {
  readonly promise: string;
  readonly body: string;
  readonly contract?: string;
  /** Where the resident engine promises something else, and why. */
  readonly resident?: Told & { readonly because: string };
}

const stays = 'its worker stays, with all that is registered and held in it';

const number = 'output: z.object({ n: z.number() })';

/** Each message holds SECRET, which must never reach a caller. */
const endings: Readonly<Record<string, Ending>> = {
  exception: {
    promise: 'an exception is a function-error',
    body: "throw new \\RuntimeException('SECRET');",
    status: 500,
    code: 'function-error',
    reason: 'exception',
  },
  'type-error': {
    promise: 'a TypeError is a function-error',
    body: "return strlen(['SECRET']);",
    status: 500,
    code: 'function-error',
    reason: 'exception',
  },
  'undefined-function': {
    promise: 'a call of a function that does not exist is a function-error',
    body: 'return SECRET();',
    status: 500,
    code: 'function-error',
    reason: 'exception',
  },
  'parse-error': {
    promise: 'a syntax error in a file loaded at call time is a function-error',
    body: "return require __DIR__ . '/_SECRET-syntax.php';",
    status: 500,
    code: 'function-error',
    reason: 'exception',
  },
  redeclared: {
    promise: 'a class declared twice is a fatal error',
    body: "return require __DIR__ . '/_SECRET-redeclared.php';",
    status: 500,
    code: 'function-error',
    reason: 'fatal',
  },
  'bad-interface': {
    promise: 'a class that breaks its interface is a fatal error',
    body: "return require __DIR__ . '/_SECRET-interface.php';",
    status: 500,
    code: 'function-error',
    reason: 'fatal',
  },
  'user-error': {
    promise: 'trigger_error(E_USER_ERROR) is a fatal error',
    body: "trigger_error('SECRET', E_USER_ERROR);",
    status: 500,
    code: 'function-error',
    reason: 'fatal',
  },
  'thrown-in-shutdown': {
    promise: 'an exception in a shutdown function that runs after the result cannot take it back',
    body: "register_shutdown_function(function () { throw new \\Exception('SECRET'); }); return null;",
    status: 200,
    code: '',
  },
  memory: {
    promise: 'memory used up by a string is function-out-of-memory',
    body: "return strlen(str_repeat('SECRET', 1 << 28));",
    status: 500,
    code: 'function-out-of-memory',
  },
  'memory-objects': {
    promise: 'memory used up by many small values is function-out-of-memory',
    body: "$all = []; while (true) { $all[] = new \\ArrayObject(['SECRET']); }",
    status: 500,
    code: 'function-out-of-memory',
  },
  'memory-printed': {
    promise: 'memory used up by printing is function-out-of-memory',
    body: "while (true) { echo str_repeat('SECRET', 10000); }",
    status: 500,
    code: 'function-out-of-memory',
  },
  'memory-logged': {
    promise: 'memory used up while the log is full of entries is function-out-of-memory',
    body: "for ($i = 0; $i < 100; $i++) { $call->log(str_repeat('x', 8192), ['a' => str_repeat('y', 100000)]); } $all = []; while (true) { $all[] = str_repeat('SECRET', 10); }",
    status: 500,
    code: 'function-out-of-memory',
  },
  recursion: {
    promise: 'recursion without end is function-out-of-memory',
    body: '$f = function (int $n) use (&$f) { return $f($n + 1); }; return $f(0);',
    status: 500,
    code: 'function-out-of-memory',
  },
  exit: { promise: 'exit() is no result', body: 'exit();', status: 502, code: 'function-no-result', reason: 'exit' },
  'exit-status': {
    promise: 'exit(3) is no result',
    body: 'exit(3);',
    status: 502,
    code: 'function-no-result',
    reason: 'exit',
  },
  'exit-text': {
    promise: 'exit("text") is no result, and the text stays inside',
    body: "exit('SECRET');",
    status: 502,
    code: 'function-no-result',
    reason: 'exit',
  },
  'die-nested': {
    promise: 'die() deep in somebody else’s code, past every catch and finally, is no result',
    body: "$f = function () { die('SECRET'); }; try { array_map($f, [1]); } catch (\\Throwable) { return 1; } finally { echo 'SECRET'; } return 2;",
    status: 502,
    code: 'function-no-result',
    reason: 'exit',
  },
  'exit-swallowed': {
    promise: 'exit() with a buffer whose callback swallows it is no result',
    body: "ob_start(function ($text) { return ''; }); exit('SECRET');",
    status: 502,
    code: 'function-no-result',
    reason: 'exit',
  },
  null: {
    promise: 'null where the contract asks for a value is no result',
    body: 'return null;',
    contract: number,
    status: 502,
    code: 'function-no-result',
    reason: 'null',
  },
  'echo-before': {
    promise: 'an echo beside the result is refused',
    body: "echo 'SECRET'; return 1;",
    status: 502,
    code: 'function-stray-output',
  },
  'echo-flushed': {
    promise: 'an echo that was flushed is refused',
    body: "echo 'SECRET'; ob_flush(); flush(); return 1;",
    status: 502,
    code: 'function-stray-output',
  },
  'echo-in-shutdown': {
    promise: 'an echo after the result is refused',
    body: "register_shutdown_function(function () { echo 'SECRET'; }); return 1;",
    status: 502,
    code: 'function-stray-output',
    resident: { because: stays, status: 200, code: '' },
  },
  'echo-in-destructor': {
    promise: 'an echo in a destructor is refused',
    body: "$GLOBALS['late'] = new class { public function __destruct() { echo 'SECRET'; } }; return 1;",
    status: 502,
    code: 'function-stray-output',
    resident: { because: stays, status: 200, code: '' },
  },
  'echo-unbuffered': {
    promise: 'an echo is refused when the handler has ended the buffers',
    body: "while (ob_get_level() > 0) { ob_end_clean(); } echo 'SECRET'; return 1;",
    status: 502,
    code: 'function-stray-output',
  },
  'echo-nested': {
    promise: 'an echo is refused in buffers the handler left open',
    body: "ob_start(); ob_start(); echo 'SECRET'; return 1;",
    status: 502,
    code: 'function-stray-output',
  },
  'echo-large': {
    promise: 'an echo of 3 MB is refused',
    body: "echo str_repeat('SECRET', 500000); return 1;",
    status: 502,
    code: 'function-stray-output',
  },
  'buffer-kept': {
    promise: 'a buffer that cannot be removed and swallows all output ends in no result, not in a hang',
    body: "ob_start(fn () => '', 0, PHP_OUTPUT_HANDLER_CLEANABLE); echo 'SECRET'; return 1;",
    status: 502,
    code: 'function-no-result',
    reason: 'ended-early',
    resident: { because: 'its answer goes past all buffers', status: 200, code: '' },
  },
  'buffer-throws': {
    promise: 'an exception in a buffer callback is a function-error',
    body: "ob_start(function () { throw new \\Exception('SECRET'); }); echo 'a'; return 1;",
    status: 500,
    code: 'function-error',
    reason: 'exception',
  },
  bom: {
    promise: 'a byte order mark before <?php in a file loaded at call time is refused',
    body: "require __DIR__ . '/_bom.php'; return 1;",
    status: 502,
    code: 'function-stray-output',
  },
  nan: {
    promise: 'NAN cannot be a result',
    body: "return ['SECRET' => NAN];",
    status: 502,
    code: 'invalid-function-output',
    reason: 'not-json',
  },
  inf: {
    promise: 'INF cannot be a result',
    body: 'return -INF;',
    status: 502,
    code: 'invalid-function-output',
    reason: 'not-json',
  },
  'broken-utf8': {
    promise: 'broken UTF-8 cannot be a result',
    body: 'return "SECRET\\xff";',
    status: 502,
    code: 'invalid-function-output',
    reason: 'not-json',
  },
  recursive: {
    promise: 'an array that holds itself cannot be a result',
    body: "$a = ['SECRET']; $a[] = &$a; return $a;",
    status: 502,
    code: 'invalid-function-output',
    reason: 'not-json',
  },
  resource: {
    promise: 'a resource cannot be a result',
    body: "return fopen('php://memory', 'r');",
    status: 502,
    code: 'invalid-function-output',
    reason: 'not-json',
  },
  'too-deep': {
    promise: 'a result nested 600 levels deep cannot be written',
    body: '$a = []; for ($i = 0; $i < 600; $i++) { $a = [$a]; } return $a;',
    status: 502,
    code: 'invalid-function-output',
    reason: 'not-json',
  },
  generator: {
    promise: 'a handler with a yield has not run and has no result',
    body: "yield 'SECRET';",
    status: 502,
    code: 'invalid-function-output',
    reason: 'not-json',
  },
  'json-throws': {
    promise: 'an exception while the result is written is a function-error',
    body: "return new class implements \\JsonSerializable { public function jsonSerialize(): mixed { throw new \\LogicException('SECRET'); } };",
    status: 500,
    code: 'function-error',
    reason: 'exception',
  },
  'wrong-output': {
    promise: 'a result that does not match the contract is refused',
    body: "return ['n' => 'SECRET'];",
    contract: number,
    status: 502,
    code: 'invalid-function-output',
  },
  'binary-unwanted': {
    promise: 'a Binary where the contract says JSON is refused',
    body: "return new Binary('SECRET', 'image/png');",
    status: 502,
    code: 'invalid-function-output',
    reason: 'kind',
  },
  'binary-missing': {
    promise: 'JSON where the contract says binary is refused',
    body: "return 'SECRET';",
    contract: "output: binary('image/png')",
    status: 502,
    code: 'invalid-function-output',
    reason: 'kind',
  },
  'binary-wrong-type': {
    promise: 'a Binary of another media type is refused',
    body: "return new Binary('SECRET', 'image/gif');",
    contract: "output: binary('image/png')",
    status: 502,
    code: 'invalid-function-output',
    reason: 'kind',
  },
  'binary-no-type': {
    promise: 'a Binary without a media type is refused where the contract names a family',
    body: "return new Binary('SECRET');",
    contract: "output: binary('image/*')",
    status: 502,
    code: 'invalid-function-output',
    reason: 'kind',
  },
  'binary-header-injection': {
    promise: 'a media type with a line end is refused',
    body: 'return new Binary("SECRET", "image/png\\r\\nset-cookie: a=b");',
    contract: "output: binary('image/*')",
    status: 502,
    code: 'invalid-function-output',
    reason: 'kind',
  },
  'failure-undeclared': {
    promise: 'a Failure the contract does not declare is a function-error',
    body: "throw new Failure('nobody-knows', null, 'SECRET');",
    status: 500,
    code: 'function-error',
    reason: 'undeclared-failure',
  },
  'failure-wrong-data': {
    promise: 'a Failure whose data does not match its schema is refused',
    body: "throw new Failure('too-many', ['max' => 'SECRET']);",
    contract: "errors: { 'too-many': z.object({ max: z.number() }) }",
    status: 502,
    code: 'invalid-function-output',
  },
  'failure-unencodable': {
    promise: 'a Failure whose data is no JSON is refused',
    body: "throw new Failure('too-many', NAN);",
    contract: "errors: { 'too-many': z.any() }",
    status: 502,
    code: 'invalid-function-output',
    reason: 'not-json',
  },
  'failure-throws': {
    promise: 'a Failure whose data throws when written is a function-error',
    reason: 'fatal',
    body: "throw new Failure('too-many', new class implements \\JsonSerializable { public function jsonSerialize(): mixed { throw new \\LogicException('SECRET'); } });",
    contract: "errors: { 'too-many': z.any() }",
    status: 500,
    code: 'function-error',
    resident: { because: 'it catches more', status: 500, code: 'function-error', reason: 'exception' },
  },
  huge: {
    promise: 'a result above the limit is refused',
    body: "return str_repeat('SECRET', 1_000_000);",
    status: 502,
    code: 'response-too-large',
  },
  'huge-echo': {
    promise: 'output without end is cut off',
    body: "while (true) { echo str_repeat('SECRET', 10000); ob_flush(); flush(); }",
    contract: 'timeoutMs: 5000',
    status: 502,
    code: 'response-too-large',
    resident: {
      because: 'what is printed goes nowhere, and no memory is used up: its time is',
      status: 504,
      code: 'function-timeout',
      executed: 'unknown',
    },
  },
  headers: {
    promise: 'headers and a status set by the handler change nothing',
    body: "header('Bad Header: SECRET'); header('Transfer-Encoding: chunked'); header('Content-Length: 5'); header('Status: 404 SECRET'); header('Location: /SECRET'); http_response_code(103); setcookie('SECRET', 'a'); flush(); return 1;",
    status: 200,
    code: '',
  },
  'finished-early': {
    promise: 'fastcgi_finish_request() leaves no result',
    body: "echo 'SECRET'; fastcgi_finish_request(); return 1;",
    status: 502,
    code: 'function-no-result',
    reason: 'ended-early',
    resident: {
      because: 'there is no such function',
      status: 500,
      code: 'function-error',
      reason: 'exception',
    },
  },
  segfault: {
    promise: 'a worker that crashes is worker-crashed',
    body: 'posix_kill(posix_getpid(), 11); return 1;',
    status: 502,
    code: 'worker-crashed',
    resident: {
      because: 'no ping goes in front of its calls',
      status: 502,
      code: 'worker-crashed',
      executed: 'unknown',
    },
  },
};

const helpers: Functions = {
  'functions/_SECRET-syntax.php': '<?php\nreturn SECRET SECRET;\n',
  'functions/_SECRET-redeclared.php': '<?php\nclass SECRET {}\nclass SECRET {}\n',
  'functions/_SECRET-interface.php':
    '<?php\nclass SECRET implements \\Countable { public function count(int $n): string { return ""; } }\n',
  'functions/_bom.php': '\ufeff<?php\nreturn 1;\n',
};

const sources: Functions = Object.fromEntries(
  Object.entries(endings).map(([name, { body, contract }]) => [name, [body, contract ?? ''] as const]),
);

const limits = { responseMaxBytes: 1_048_576 };
eachEngine(({ name: engine, startGateway }) => {
  const file = wholeFile();
  let gateway: Gateway;

  beforeAll(async () => {
    const project = functionsProject({ ...sources, ...helpers, after: 'return $input;' }, file);
    gateway = await startGateway({ limits, pools: { default: { workers: 2 } } }, { project }, file);
  });

  describe('each end of a handler', () => {
    test.each(Object.entries(endings).map(([name, ending]) => ({ name, ...ending })))(
      '$name: $promise',
      async ({ name, resident, ...ending }) => {
        const { status, code, reason, executed = 'yes' } = (engine === 'resident' && resident) || ending;
        const { status: actual, type, text, body } = await ask(gateway, name);
        expect(text).not.toContain('SECRET');
        expect(text).not.toContain('.php');
        expect(text).not.toContain(import.meta.dirname);
        if (code === '') {
          expect(actual).toBe(200);
        } else {
          expect({ actual, code: body.code, reason: body.reason }).toEqual({ actual: status, code, reason });
          expect(type).toBe('application/problem+json');
          expect(body).toMatchObject({ executed, retryable: false, status });
          expect(body.traceId).toMatch(/^[0-9a-f]{32}$/);
        }
        // Whatever it did, the next call is served as if nothing had been.
        expect((await ask(gateway, 'after', { next: true })).body).toEqual({ next: true });
      },
    );
  });
});
