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

test('a script read from stdin has no STDERR, as under php-fpm, and all else is the same', async () => {
  const { worker } = await startWorker({
    fromStdin: true,
    bootstrap:
      'fopen("php://stderr", "w"); return [defined("STDIN"), defined("STDOUT"), defined("STDERR"), isset($argv)];',
    handlers: {
      constants: 'return static fn (array $input, Call $call, array $app): array => $app;',
      logs: handler(
        'error_log("logged"); fwrite(fopen("php://stderr", "w"), "written"); return stream_get_contents(fopen("php://stdin", "r"));',
      ),
      closes: handler(
        'foreach (["php://stdin", "php://stdout", "php://stderr"] as $name) { fclose(fopen($name, "r+")); } return 1;',
      ),
    },
  });
  expect((await worker.call('constants')).output).toEqual([false, false, false, false]);
  for (let n = 0; n < 3; n++) {
    expect(await worker.call('logs')).toMatchObject({ stderr: 'logged\nwritten', output: '' });
    expect((await worker.call('closes')).output).toBe(1);
  }
});

test.each(['fclose(STDIN);', 'fclose(STDIN); fclose(STDOUT); fclose(STDERR);'])(
  'a bootstrap that does %s takes nothing from the log',
  async (bootstrap) => {
    const { worker: other } = await startWorker({
      bootstrap,
      handlers: { logs: handler('error_log("logged"); return 1;') },
    });
    expect((await other.call('logs')).stderr).toBe('logged\n');
  },
);
