/** What is written to descriptors 1 and 2 belongs to the call in which it was written. */
import { readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';

const handler = (body: string): string => `return static function (array $input, Call $call) { ${body} };`;
const { resident, worker } = await startWorker({
  lifetime: wholeFile(),
  handlers: {
    logs: handler('error_log("by error_log"); return 1;'),
    warns: handler('return [] ["none"] ?? $none;'),
    writes: handler('file_put_contents("php://stderr", "to stderr"); return 1;'),
    stdout: handler('file_put_contents("php://stdout", "to stdout"); return 1;'),
    program: handler('proc_close(proc_open("echo from a program; echo and its errors >&2", [], $pipes)); return 1;'),
    much: handler('for ($n = 0; $n < 100; ++$n) { error_log(str_repeat("x", 1000)); } return 1;'),
    quiet: handler('return 1;'),
  },
});

test.each([
  ['logs', /^by error_log\n$/],
  ['warns', /^PHP Warning: {2}Undefined variable \$none in .*warns\.php on line \d+\n$/],
  ['writes', /^to stderr$/],
  ['stdout', /^to stdout$/],
  ['program', /^from a program\nand its errors\n$/],
])('%s: it is told with its call, and not with the next', async (name, says) => {
  const [answer, next] = [worker.sendCall(name, {}), worker.sendCall('quiet', {})];
  expect((await worker.answer(answer)).stderr).toMatch(says);
  expect(await worker.answer(next)).toMatchObject({ stderr: '', output: 1 });
});

test('too much of it is cut, and nothing of it meets the next call', async () => {
  expect((await worker.call('much')).stderr.length).toBe(65_535);
  expect((await worker.call('quiet')).stderr).toBe('');
  expect((await worker.call('logs')).stderr).toBe('by error_log\n');
});

test('no file of it is to be seen', () => {
  expect(readdirSync(resident.uploads)).toEqual([]);
});
