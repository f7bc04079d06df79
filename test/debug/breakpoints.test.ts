/** `dev --xdebug`: a breakpoint in a handler holds its call for as long as somebody looks at it. */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { runCommand, type ServingCommand, serve } from '../support/command.ts';
import { Editor } from '../support/dbgp.ts';
import { freePort } from '../support/free-port.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject, handler } from '../support/project.ts';
import { until } from '../support/until.ts';

const ENGINES = ['fpm', 'resident'] as const;

/** Each of them far shorter than the breakpoint is held. */
const TINY = {
  FPMG_DEFAULTS__TIMEOUT_MS: '100',
  FPMG_DEFAULTS__QUEUE_TIMEOUT_MS: '100',
  FPMG_POOLS__DEFAULT__CONNECT_TIMEOUT_MS: '100',
  FPMG_POOLS__DEFAULT__IDLE_MS: '1000',
  FPMG_HTTP__REQUEST_TIMEOUT_MS: '100',
  FPMG_HTTP__KEEP_ALIVE_TIMEOUT_MS: '100',
  FPMG_HTTP__IDLE_WRITE_TIMEOUT_MS: '100',
};
/** Longer than all of them together, connecting twice included, and than a worker may take to begin. */
const HELD_MS = 2500;

const dev = (project: string, editor: Pick<Editor, 'port'>, args: readonly string[] = []): Promise<ServingCommand> =>
  serve('dev', project, { env: TINY, args: ['--xdebug', '--xdebug-port', String(editor.port), ...args] });

const heldFor = async (ms: number): Promise<void> => {
  const fromMs = performance.now();
  await until('the breakpoint was held', () => performance.now() - fromMs > ms);
};

test.each(ENGINES)(
  '%s: a call stops in its handler, waits past every limit, its caller’s included, and answers',
  async (engine) => {
    const project = functionsProject({
      double: ['$n = $input["n"];\n$twice = 2 * $n;\nreturn $twice;', `engine: '${engine}'`],
    });
    const editor = await Editor.listen();
    const file = join(project, 'functions/double.php');
    editor.breakpoints.push({ file, line: 6 });
    const cli = await dev(project, editor);
    const call = (n: number): Promise<Response> =>
      fetch(`${cli.url}/functions/double`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-request-timeout-ms': '200' },
        body: JSON.stringify({ n }),
      });
    const answer = call(21);
    // Only one worker: it waits behind the first, and is not told to come later.
    const stop = await editor.stop(1);
    const next = call(4);
    expect(stop).toMatchObject({ file, line: 6 });
    expect(await stop.evaluate('$twice')).toBe('42');
    await heldFor(HELD_MS);
    expect(editor.stops).toHaveLength(1);
    // A change meanwhile is for the next call.
    writeFileSync(file, handler("return 'changed';"));
    await until('it is loaded', () => cli.events().some(({ event }) => event === 'reloaded'));
    stop.goOn();
    expect(await (await answer).json()).toBe(42);
    (await editor.stop(2)).goOn();
    expect(await (await next).json()).toBe(8);
    expect(await (await call(1)).json()).toBe('changed');
    // Neither checks of handlers nor primings are sessions.
    await until('all sessions have ended', () => editor.ended === 3);
    expect(editor.begun).toBe(3);
    // What the debugger leaves is none of the handler's.
    expect(cli.events().filter(({ msg }) => /leak|left|behind/i.test(String(msg)))).toEqual([]);
  },
);

test.each(ENGINES)(
  '%s: a function that calls a function can be held in both, and a breakpoint set later is met by the same worker',
  async (engine) => {
    const project = functionsProject({
      inner: ['\nreturn getmypid();', `engine: '${engine}'`],
      outer: ['$inner = $call->invoke("inner");\nreturn [getmypid(), $inner];', `engine: '${engine}'`],
    });
    const editor = await Editor.listen();
    const cli = await dev(project, editor);
    const call = async (): Promise<readonly number[]> =>
      (await (await callUrl(cli.url, 'outer', {})).json()) as readonly number[];
    const [outerPid, innerPid] = await call();
    expect(outerPid).not.toBe(innerPid);
    editor.breakpoints.push(
      { file: join(project, 'functions/outer.php'), line: 5 },
      { file: join(project, 'functions/inner.php'), line: 5 },
    );
    const answer = call();
    const inInner = await editor.stop(1);
    expect(inInner.file).toBe(join(project, 'functions/inner.php'));
    await heldFor(HELD_MS);
    inInner.goOn();
    const inOuter = await editor.stop(2);
    expect(inOuter.file).toBe(join(project, 'functions/outer.php'));
    inOuter.goOn();
    expect((await answer)[0]).toBe(outerPid);
  },
);

test.each(ENGINES)('%s: a stream is held between its items', async (engine) => {
  const project = functionsProject({
    'schemas/count.ts': `
      import { z } from 'zod';
      import { defineFunction, stream } from 'fpm-gateway/contract';
      export default defineFunction({ input: z.any(), output: stream(z.any()), engine: '${engine}' });`,
    'functions/count.php': handler('foreach ([1, 2] as $n) {\n$next = $n;\nyield $next;\n}'),
  });
  const editor = await Editor.listen();
  editor.breakpoints.push({ file: join(project, 'functions/count.php'), line: 6 });
  const cli = await dev(project, editor);
  const answer = callUrl(cli.url, 'count', {}).then((response) => response.text());
  (await editor.stop(1)).goOn();
  const second = await editor.stop(2);
  await heldFor(HELD_MS);
  second.goOn();
  expect(await answer).toBe('1\n2\n');
});

test.each(ENGINES)(
  '%s: a call that is ended in the editor fails once, and the next one is answered',
  async (engine) => {
    const contract = `engine: '${engine}', idempotent: true`;
    const project = functionsProject({ one: ['\nreturn 1;', contract] });
    const editor = await Editor.listen();
    editor.breakpoints.push({ file: join(project, 'functions/one.php'), line: 5 });
    const cli = await dev(project, editor);
    const answer = callUrl(cli.url, 'one', {});
    (await editor.stop(1)).end();
    const failed = await answer;
    expect([failed.status, await failed.json()]).toEqual([
      502,
      expect.objectContaining({ code: expect.stringMatching(/^function-|^worker-crashed/), executed: 'yes' }),
    ]);
    const next = callUrl(cli.url, 'one', {});
    (await editor.stop(2)).goOn();
    expect(await (await next).json()).toBe(1);
    expect(editor.stops).toHaveLength(2);
  },
);

test('a script stops, too, and what its pool prepends has run', async () => {
  const project = functionsProject({
    'schemas/page.ts': `
      import { z } from 'zod';
      export default { script: 'page.php', input: z.any(), output: z.any() };`,
    'functions/page.php':
      '<?php\n$text = json_encode($prepended);\nheader("Content-Type: application/json");\necho $text;\n',
  });
  const editor = await Editor.listen();
  const file = join(project, 'functions/page.php');
  editor.breakpoints.push({ file, line: 3 });
  const own = { FPMG_POOLS__DEFAULT__INI__AUTO_PREPEND_FILE: join(openFolder(), 'before.php') };
  writeFileSync(own.FPMG_POOLS__DEFAULT__INI__AUTO_PREPEND_FILE, '<?php\n$prepended = "yes";\n');
  const args = ['--xdebug', '--xdebug-port', String(editor.port)];
  const cli = await serve('dev', project, { env: { ...TINY, ...own }, args });
  const answer = callUrl(cli.url, 'page', {});
  const stop = await editor.stop(1);
  expect(stop).toMatchObject({ file, line: 3 });
  expect(await stop.evaluate('$text')).toBe('"yes"');
  stop.goOn();
  expect(await (await answer).json()).toBe('yes');
});

test('scripts alone can be held where a cookie asks for it, if the pool says so', async () => {
  const project = functionsProject({
    'schemas/page.ts': `
      import { z } from 'zod';
      export default { script: 'page.php', input: z.any(), output: z.any() };`,
    'functions/page.php': '<?php\nheader("Content-Type: application/json");\necho 1;\n',
    'deploy/gateway.config.ts': `export default { pools: { default: { ini: { 'xdebug.start_with_request': 'trigger' } } } };`,
  });
  const editor = await Editor.listen();
  const file = join(project, 'functions/page.php');
  editor.breakpoints.push({ file, line: 3 });
  const cli = await dev(project, editor);
  expect(await (await callUrl(cli.url, 'page', {})).json()).toBe(1);
  expect(editor.begun).toBe(0);
  const answer = callUrl(cli.url, 'page', {}, { cookie: 'XDEBUG_TRIGGER=1' });
  const stop = await editor.stop(1);
  expect(stop).toMatchObject({ file, line: 3 });
  stop.goOn();
  expect(await (await answer).json()).toBe(1);
});

test('without an editor calls run through, and the terminal says so once', async () => {
  const project = functionsProject({ one: 'return 1;' });
  const cli = await dev(project, { port: await freePort() });
  for (let n = 0; n < 3; n += 1) expect(await (await callUrl(cli.url, 'one', {})).json()).toBe(1);
  const told = cli.events().filter(({ event }) => event === 'xdebug');
  expect(told).toEqual([{ event: 'xdebug', line: expect.stringContaining('no editor listens at 127.0.0.1:') }]);
});

test.each(ENGINES)(
  '%s: where PHP runs a copy of the project, the editor sees and names the project’s own files',
  async (engine) => {
    if (process.getuid?.() !== 0) return;
    const base = mkdtempSync(join(tmpdir(), 'fpmg-closed-'));
    onTestFinished(() => rmSync(base, { recursive: true, force: true }));
    chmodSync(base, 0o700);
    const project = join(base, 'a project');
    mkdirSync(project);
    const made = functionsProject({
      'functions/hi.php': '<?php\nreturn static function ($input) {\n    return __FILE__;\n};\n',
    });
    cpSync(made, project, { recursive: true });
    mkdirSync(join(project, 'schemas'));
    // Out of reach of the repository's modules: plain data.
    writeFileSync(
      join(project, 'schemas/hi.ts'),
      `import { z } from ${JSON.stringify(import.meta.resolve('zod'))};\nexport default { input: z.any(), output: z.any(), engine: '${engine}' };`,
    );
    const editor = await Editor.listen();
    const file = join(project, 'functions/hi.php');
    editor.breakpoints.push({ file, line: 3 });
    const cli = await dev(project, editor);
    const answer = callUrl(cli.url, 'hi', {});
    const stop = await editor.stop(1);
    expect(stop).toMatchObject({ file, line: 3 });
    stop.goOn();
    expect(await (await answer).json()).toMatch(/\/code-\d+\/project\/functions\/hi\.php$/);
  },
);

test('the banner says what is on and where it connects', async () => {
  const project = functionsProject({ one: 'return 1;' });
  const env = { XDEBUG_CONFIG: 'client_host=localhost client_port=9876 idekey=me' };
  const cli = runCommand(['--project', project, 'dev', '--xdebug'], { env });
  await until('it is ready', () => cli.out().includes('Ctrl-C'));
  expect(cli.out()).toMatch(
    /Xdebug {5}Xdebug 3\.\S+: breakpoints, to an editor at localhost:9876 · one worker for each pool, no deadlines/,
  );
  expect(cli.out()).toMatch(/default +1 workers/);
});
