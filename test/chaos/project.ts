/** Functions that every world has: one for each thing PHP can do wrong. */
import { anyContract, type Functions } from '../support/project.ts';
import { streamContract } from '../support/streams.ts';
import { WAIT } from '../support/told-handlers.ts';

/** Of functions that never end by themselves. */
export const SHORT_MS = 2000;

const script = (name: string, code: string, more = ''): Functions => ({
  [`functions/${name}.php`]: [`<?php ${code}`, ''],
  [`schemas/${name}.ts`]: [anyContract(`output: binary('text/plain'), script: '${name}.php', ${more}`), ''],
});

const streamed = (name: string, body: string, more = ''): Functions => ({
  [`functions/${name}.php`]: [
    `<?php
declare(strict_types=1);
use FpmGateway\\Call;
return static function (mixed $input, Call $call): mixed { ${body} };
`,
    '',
  ],
  [`schemas/${name}.ts`]: [streamContract('stream(z.any())', more), ''],
});

const STRICT = `
import { z } from 'zod';
import { defineFunction } from 'fpm-gateway/contract';
export default defineFunction({
  input: z.strictObject({ n: z.int().optional(), list: z.array(z.int()).max(200_000).optional(), deep: z.any().optional() }),
  output: z.any(),
});
`;
const WRONG = `
import { z } from 'zod';
import { defineFunction } from 'fpm-gateway/contract';
export default defineFunction({ input: z.any(), output: z.strictObject({ a: z.int() }) });
`;
const HANDLER = (body: string): string => `<?php
declare(strict_types=1);
use FpmGateway\\Call;
return static function (mixed $input, Call $call): mixed { ${body} };
`;

const short = `timeoutMs: ${SHORT_MS}`;

export const FUNCTIONS: Functions = {
  echo: 'return $input;',
  resident: ['return $input;', "engine: 'resident'"],
  // Slow: it may wait ten seconds for the last worker, which is kept for quick ones.
  held: [WAIT, 'timeoutMs: 60_000, queueTimeoutMs: 60_000, idempotent: false'],
  'held-resident': [WAIT, "timeoutMs: 60_000, engine: 'resident'"],
  'held-shortly': [WAIT, short],
  'held-cancel': [WAIT, "timeoutMs: 60_000, onDisconnect: 'cancel'"],
  'held-twice': [WAIT, 'timeoutMs: 60_000, idempotent: true'],
  'held-few': [WAIT, 'timeoutMs: 60_000, inFlightMax: 1'],
  segfault: 'posix_kill(posix_getpid(), 11); return 1;',
  killed: 'posix_kill(posix_getpid(), 9); return 1;',
  fatal: "echo 'SECRET'; no_such_function();",
  exits: 'exit(3);',
  hog: "$all = ''; for (;;) { $all .= str_repeat('x', 1 << 20); }",
  recursion: '$again = static function () use (&$again) { return $again() + 1; }; return $again();',
  loop: ['for (;;) {}', short],
  sleeper: ['sleep(9999); return 1;', short],
  again: "return $call->invoke('again', $input);",
  pid: 'return getmypid();',
  facts: "return ['precision' => ini_get('precision'), 'names' => array_keys($_SERVER)];",
  settings: "return ini_get('precision');",
  'schemas/strict.ts': [STRICT, ''],
  'functions/strict.php': [HANDLER('return 1;'), ''],
  'schemas/wrong.ts': [WRONG, ''],
  'functions/wrong.php': [HANDLER("return ['a' => 'SECRET'];"), ''],
  ...script(
    'gigabyte',
    "$piece = str_repeat('x', 65536); for ($n = 0; $n < 16384; $n++) { echo $piece; }",
    'timeoutMs: 60_000',
  ),
  ...script(
    'headers',
    "header('Transfer-Encoding: chunked'); header('Set-Cookie: a=b'); header('Content-Length: 5'); header('Connection: x'); header('Content-Type: text/plain'); echo str_repeat('y', 20);",
  ),
  ...script(
    'behind',
    "header('Content-Type: text/plain'); echo 'done'; fastcgi_finish_request(); echo 'LATE'; exec('sleep 0.2 > /dev/null 2>&1 &'); usleep(200_000);",
  ),
  ...streamed(
    'counting',
    `foreach (range(1, 20) as $n) { yield $n; } ${WAIT.replace('return $call->attempt;', 'yield 21;')}`,
  ),
  ...streamed('flood', "for (;;) { yield str_repeat('z', 10_000); }", 'timeoutMs: 60_000'),
};
