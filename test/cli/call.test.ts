/** `fpm-gateway call` and `functions` as processes. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { type CommandOptions, runCommand } from '../support/command.ts';
import { startTestServer } from '../support/gateway.ts';
import { temporaryFolder, wholeFile } from '../support/lifetime.ts';
import { anyContract, functionsProject, writeProject } from '../support/project.ts';
import { CONTROLS } from '../support/terminal.ts';

const file = wholeFile();
let project: string;
let server: Server;

beforeAll(async () => {
  const functions = {
    echo: ['return $input;', "summary: 'Gives it back'"],
    bytes: ['return new Binary("\\x00\\xffPNG", "image/png");', "output: binary('image/png')"],
    rude: ['throw new Failure("rude", null, "red: \\e[31m\\u{9b}31m");', 'errors: { rude: z.any() }'],
    strict: ['return $input;', 'input: z.strictObject({ n: z.int().max(5) })'],
    'schemas/album.ts': `
      import { z } from 'zod';
      import { defineFunction, file, stream } from 'fpm-gateway/contract';
      const picture = file({ maxBytes: 2048, mediaTypes: ['image/png', 'image/jpeg'] });
      const pictures = z.array(picture).max(9);
      export default defineFunction({ input: z.object({ cover: picture, pictures }), output: stream(z.int()), script: 'album.php' });`,
    'functions/album.php': '<?php',
  } as const;
  project = functionsProject(functions, file);
  server = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '2' } }, file);
});

const call = async (args: readonly string[], options: CommandOptions = {}) => {
  const cli = runCommand(['--project', project, 'call', '--url', server.url, ...args], options);
  return { code: await cli.exit, out: cli.out(), err: cli.err() };
};

describe('call', () => {
  test('takes its input as an argument, from a file or from standard input, and prints the result', async () => {
    const input = join(temporaryFolder(), 'input.json');
    writeFileSync(input, '{"from":"file"}');
    const results = await Promise.all([
      call(['echo', '{"from":"argument"}']),
      call(['echo', `@${input}`]),
      call(['echo', '-'], { input: '{"from":"input"}' }),
      call(['echo']),
    ]);
    expect(results).toEqual(
      ['{"from":"argument"}', '{"from":"file"}', '{"from":"input"}', '[]'].map((line) => ({
        code: 0,
        out: `${line}\n`,
        err: '',
      })),
    );
  });

  test('writes bytes into a file, or down a pipe as they are', async () => {
    const output = join(temporaryFolder(), 'out.png');
    const { code, out, err } = await call(['bytes', '{}', '--output', output]);
    expect([code, out, err]).toEqual([0, '', expect.stringContaining(`5 bytes of image/png in ${output}`)]);
    expect(readFileSync(output)).toEqual(Buffer.from('\x00\xffPNG', 'latin1'));
  });

  test('a refusal names the rule, the next step and whether PHP ran', async () => {
    const { code, out, err } = await call(['strict', '{"n":9,"m":1}']);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('✗ 422 validation-failed');
    expect(err).toMatch(/\/n +Too big/);
    expect(err).toContain('→ Correct the members listed in errors[].');
    expect(err).toMatch(/executed: no · trace [0-9a-f]{32}/);
  });

  test('a refusal as JSON is the problem itself', async () => {
    const { code, out } = await call(['strict', '{}', '--json']);
    expect([code, JSON.parse(out).code]).toEqual([1, 'validation-failed']);
  });

  test('what a function says cannot steer the terminal', async () => {
    const { code, err } = await call(['rude']);
    expect([code, err]).toEqual([1, expect.stringContaining('422 rude')]);
    expect(err).not.toMatch(CONTROLS);
  });

  test('its key reaches the gateway', async () => {
    const { code, err } = await call(['echo', '1', '--idempotency-key', 'a b']);
    expect([code, err]).toEqual([1, expect.stringContaining('400 idempotency-key-invalid')]);
  });

  test('its time limit reaches the gateway', async () => {
    const { code, err } = await call(['echo', '1', '--timeout-ms', '0']);
    expect([code, err]).toEqual([1, expect.stringContaining('504 deadline-exceeded')]);
  });

  test.each<[string, string[], RegExp]>([
    ['no gateway', ['echo', '1', '--url', 'http://127.0.0.1:9'], /no answer from http:\/\/127\.0\.0\.1:9.*--local/is],
    ['no address', ['echo', '1', '--url', 'gateway'], /gateway is no HTTP address/],
    ['no input file', ['echo', '@/no/such/file'], /cannot be read.*\/no\/such\/file/],
    [
      'no place for the result',
      ['bytes', '{}', '--output', '/no/such/folder/x'],
      /cannot be written.*\/no\/such\/folder/,
    ],
    ['no number', ['echo', '1', '--timeout-ms', 'soon'], /whole number/],
    ['no such function', ['nothing'], /404 not-found/],
  ])('%s: one sentence with the next step, no stack', async (_what, args, message) => {
    const { code, err } = await call(args);
    expect([code, err]).toEqual([1, expect.stringMatching(message)]);
    expect(err).not.toMatch(/^ +at /m);
  });

  test('--local answers without a gateway, and leaves nothing running', async () => {
    const cli = runCommand(['--project', project, 'call', 'echo', '[7]', '--local']);
    expect([await cli.exit, cli.out(), cli.err()]).toEqual([0, '[7]\n', '']);
  });

  test('--local tells why the project does not load', async () => {
    const broken = writeProject({ 'schemas/x.ts': "throw new Error('on purpose');" });
    const cli = runCommand(['--project', broken, 'call', 'x', '--local']);
    expect([await cli.exit, cli.err()]).toEqual([1, expect.stringContaining('on purpose')]);
  });
});

describe('functions', () => {
  test('lists them as a table', async () => {
    const cli = runCommand(['--project', project, 'functions']);
    expect(await cli.exit).toBe(0);
    const [head, ...rows] = cli.out().split('\n');
    expect(head).toMatch(/^FUNCTION +KIND +METHODS +POOL +ENGINE +TIMEOUT +RETRIES +SUMMARY$/);
    expect(rows).toContainEqual(
      expect.stringMatching(/^echo +handler +POST +default +fpm +30000 ms +if not run +Gives it back$/),
    );
    expect(rows).toContainEqual(expect.stringMatching(/^album +script, stream +POST /));
    expect(rows).toContain('album: cover is a file of at most 2 KiB: image/png, image/jpeg');
    expect(rows).toContain('album: pictures is up to 9 files of at most 2 KiB each: image/png, image/jpeg');
  });

  test('lists them as JSON', async () => {
    const cli = runCommand(['--project', project, 'functions', '--json']);
    expect(await cli.exit).toBe(0);
    const { functions } = JSON.parse(cli.out()) as { functions: { name: string }[] };
    expect(functions.map(({ name }) => name)).toEqual(['album', 'bytes', 'echo', 'rude', 'strict']);
    expect(functions[0]).toMatchObject({
      kind: 'script',
      script: { '': 'album.php' },
      contents: ['multipart'],
      files: [
        { field: 'cover', maxBytes: 2048, mediaTypes: ['image/png', 'image/jpeg'], maxCount: 1 },
        { field: 'pictures', maxCount: 9 },
      ],
      output: { stream: 'json' },
    });
    expect(functions[1]).toMatchObject({ kind: 'handler', handler: 'bytes.php', files: [], output: 'image/png' });
  });

  test('tells what is wrong with them', async () => {
    const broken = writeProject({ 'schemas/x.ts': anyContract() });
    const cli = runCommand(['--project', broken, 'functions', '--json']);
    expect([await cli.exit, JSON.parse(cli.out())]).toEqual([
      1,
      { problems: [expect.objectContaining({ file: 'schemas/x.ts', property: 'handler' })] },
    ]);
  });
});
