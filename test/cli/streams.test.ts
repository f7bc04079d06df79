/** `fpm-gateway call` of a function that streams: items as they come, the end told from a cut, leaving. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { type Command, runCommand } from '../support/command.ts';
import { startTestServer } from '../support/gateway.ts';
import { openFolder, temporaryFolder, wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { until } from '../support/until.ts';

const file = wholeFile();
let project: string;
let server: Server;

const contract = (output: string): string => `
import { z } from 'zod';
import { binary, defineFunction, stream } from 'fpm-gateway/contract';
export default defineFunction({ input: z.any(), output: stream(${output}), methods: ['POST', 'GET'] });
`;

beforeAll(async () => {
  project = functionsProject(
    {
      'schemas/gated.ts': contract('z.any()'),
      'functions/gated.php': `<?php return function (array $input) {
        yield ['n' => 1];
        while (!file_exists($input['gate'])) { clearstatcache(); usleep(1000); }
        yield ['n' => 2];
      };`,
      'schemas/broken.ts': contract('z.any()'),
      'functions/broken.php': "<?php return function () { yield 1; throw new Exception('on purpose'); };",
      'schemas/bytes.ts': contract("binary('application/zip')"),
      'functions/bytes.php':
        '<?php return function (array $input) { yield "PK\\x03"; if (isset($input["cut"])) throw new Exception; };',
    },
    file,
  );
  server = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '3' } }, file);
});

const start = (...args: string[]): Command => runCommand(['--project', project, 'call', '--url', server.url, ...args]);
const finish = async (cli: Command) => ({ code: await cli.exit, out: cli.out(), err: cli.err() });

const busyWorkers = (): number | undefined => server.gateway.pools()[0]?.backends[0]?.taken;

describe('items', () => {
  test('are printed as they come, one line of JSON each', async () => {
    const gate = join(openFolder(), 'gate');
    const cli = start('gated', JSON.stringify({ gate }));
    await until('the first item is out', () => cli.out() === '{"n":1}\n');
    writeFileSync(gate, '');
    expect(await finish(cli)).toEqual({ code: 0, out: '{"n":1}\n{"n":2}\n', err: '' });
  });

  test('come from a gateway of its own with --local, too', async () => {
    const gate = join(openFolder(), 'gate');
    writeFileSync(gate, '');
    const cli = runCommand(['--project', project, 'call', 'gated', JSON.stringify({ gate }), '--local']);
    expect(await finish(cli)).toEqual({ code: 0, out: '{"n":1}\n{"n":2}\n', err: '' });
  });

  test('go into a file', async () => {
    const output = join(openFolder(), 'items.ndjson');
    const cli = start('gated', JSON.stringify({ gate: '/' }), '-o', output);
    expect(await finish(cli)).toEqual({ code: 0, out: '', err: '' });
    expect(readFileSync(output, 'utf8')).toBe('{"n":1}\n{"n":2}\n');
  });
});

describe('a cut', () => {
  test('is told from the end: what came, what went wrong, a failing exit', async () => {
    const { code, out, err } = await finish(start('broken'));
    expect([code, out]).toEqual([1, '1\n']);
    expect(err).toMatch(/✗ 500 function-error.*→ .*after 1 item · executed: yes · trace [0-9a-f]{32}/s);
  });

  test('as JSON is a last line with the problem', async () => {
    const { code, out } = await finish(start('broken', '{}', '--json'));
    expect([
      code,
      out
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
    ]).toEqual([1, [1, { error: expect.objectContaining({ code: 'function-error', executed: 'yes' }) }]]);
  });

  test('of bytes says how many came, and leaves no doubt about the file', async () => {
    const output = join(temporaryFolder(), 'cut.zip');
    const [piped, written] = [start('bytes', '{"cut":1}'), start('bytes', '{"cut":1}', '-o', output)];
    for (const { code, err } of [await finish(piped), await finish(written)])
      expect([code, err]).toEqual([
        1,
        expect.stringMatching(/broke off after 3 bytes .*not whole.*trace [0-9a-f]{32}/s),
      ]);
    expect(await finish(start('bytes'))).toEqual({ code: 0, out: 'PK\x03', err: '' });
  });

  test('by a connection that breaks is told, too', async () => {
    const dying = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'trace-id': 'abc' });
      response.write('data: 1\n\n: still there\n\n', () => response.destroy());
    });
    await new Promise<void>((resolve) => dying.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void dying.close());
    const url = `http://127.0.0.1:${(dying.address() as AddressInfo).port}`;
    const { code, out, err } = await finish(start('any', '{}', '--url', url));
    expect([code, out, err]).toEqual([1, '1\n', expect.stringMatching(/broke off after 1 item.*trace abc/)]);
  });
});

describe('a reader that leaves', () => {
  const gated = JSON.stringify({ gate: '/no/such/gate' });

  test('by Ctrl-C frees its worker', async () => {
    const cli = start('gated', gated);
    await until('the first item is out', () => cli.out() !== '');
    cli.child.kill('SIGINT');
    expect([await cli.exit, cli.out(), cli.err()]).toEqual([130, '{"n":1}\n', expect.stringContaining('left')]);
    await until('no worker is busy', () => busyWorkers() === 0);
  });

  test('by Ctrl-C leaves nothing of a local gateway', async () => {
    const cli = runCommand(['--project', project, 'call', 'gated', gated, '--local']);
    await until('the first item is out', () => cli.out() !== '');
    cli.child.kill('SIGINT');
    expect(await cli.exit).toBe(130);
  });

  test('by closing the pipe ends the command with the next item', async () => {
    const gate = join(openFolder(), 'gate');
    const cli = start('gated', JSON.stringify({ gate }));
    await until('the first item is out', () => cli.out() !== '');
    cli.child.stdout?.destroy();
    writeFileSync(gate, '');
    expect([await cli.exit, cli.err()]).toEqual([0, '']);
  });
});
