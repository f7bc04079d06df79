/** Streams when the gateway ends, when a release is replaced, and in pools that somebody else runs. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { serve } from '../support/command.ts';
import { eachEngine } from '../support/engines.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { anyContract, handler, writeProject } from '../support/project.ts';
import { rawFpm, runtime } from '../support/raw-fpm.ts';
import { BodyReader, streamHandler } from '../support/streams.ts';
import { Held } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

/** One item, and a last one once told, which says what version of the code it is. */
const told = (version: string): string => `
  file_put_contents($input, getmypid() . "\\n", FILE_APPEND);
  yield 'first';
  while (!is_file("$input.go")) { usleep(1000); clearstatcache(); }
  yield '${version}';`;

const projectOf = (): string =>
  writeProject({
    'functions/pid.php': handler('return getmypid();'),
    'schemas/pid.ts': anyContract(),
    ...streamHandler('told', told('last')),
  });

const one = { FPMG_POOLS__DEFAULT__WORKERS: '1' };

const begin = async (url: string, held: Held): Promise<BodyReader> => {
  const reader = new BodyReader(await callUrl(url, 'told', held.file));
  await reader.until('"first"\n');
  return reader;
};

eachEngine(({ startGateway, startTestServer, env }) => {
  describe('the gateway', () => {
    test('close() waits until a stream has ended', async () => {
      const server = await startTestServer(projectOf(), { env: one });
      const held = new Held(openFolder(), 'closed');
      const reader = await begin(server.url, held);
      let closed = false;
      const closing = server.close().then(() => {
        closed = true;
      });
      await until(
        'it refuses others',
        async () =>
          await fetch(server.url).then(
            () => false,
            () => true,
          ),
      );
      expect(closed).toBe(false);
      held.go();
      expect(await reader.rest()).toBe('whole');
      expect(reader.text).toBe('"first"\n"last"\n');
      await closing;
    });

    test('close() cuts a stream that takes longer than shutdownGraceMs, and tells its reader', async () => {
      const server = await startTestServer(projectOf(), { env: { ...one, FPMG_SHUTDOWN_GRACE_MS: '200' } });
      const held = new Held(openFolder(), 'cut');
      const reader = await begin(server.url, held);
      await server.close();
      await reader.rest();
      expect(reader.text).not.toContain('last');
      await until('PHP has ended', () => !held.pids.some(isAlive));
    });

    test('destroy() cuts streams now: no reader takes them for whole', async () => {
      const server = await startTestServer(projectOf(), { env: one });
      const held = new Held(openFolder(), 'destroyed');
      const reader = new BodyReader(await callUrl(server.url, 'told', held.file, { accept: 'application/json' }));
      await reader.until('["first"');
      await server.destroy();
      expect(await reader.rest()).toBe('cut');
      await until('PHP has ended', () => !held.pids.some(isAlive));
    });

    test('in process: close() waits for the loop, destroy() ends it with an error', async () => {
      for (const end of ['close', 'destroy'] as const) {
        const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project: projectOf() });
        const held = new Held(openFolder(), end);
        const items: unknown[] = [];
        const stream = (await gateway.invoke('told', held.file)) as AsyncIterable<unknown>;
        const read = async (): Promise<void> => {
          for await (const item of stream) items.push(item);
        };
        const reading = read().then(
          () => 'whole',
          (error) => error.code,
        );
        await until('an item has come', () => items.length === 1);
        const ended = gateway[end]();
        if (end === 'close') held.go();
        expect(await reading).toBe(end === 'close' ? 'whole' : 'worker-crashed');
        expect(items).toEqual(end === 'close' ? ['first', 'last'] : ['first']);
        await ended;
      }
    });
  });

  test('a new release takes over while a stream of the old one runs on to its end', async () => {
    const project = projectOf();
    const cli = await serve('dev', project, { env: env(project, one) });
    const folder = openFolder();
    const [old, next] = [new Held(folder, 'old'), new Held(folder, 'next')];
    const reader = await begin(cli.url, old);
    writeFileSync(join(project, 'functions/told.php'), handler(told('changed')));
    await until('it has reloaded', () => cli.events().some(({ event }) => event === 'reloaded'));
    const other = await begin(cli.url, next);
    for (const held of [old, next]) held.go();
    expect([await reader.rest(), reader.text]).toEqual(['whole', '"first"\n"last"\n']);
    expect([await other.rest(), other.text]).toEqual(['whole', '"first"\n"changed"\n']);
  });
});

test('in a pool that somebody else runs: items come one by one, and a reader that leaves frees the worker', async () => {
  const folder = openFolder();
  const project = projectOf();
  chmodSync(project, 0o755);
  await rawFpm(folder, [`${folder}/a.sock`], 1);
  const address = `unix:${folder}/a.sock`;
  const pools = { default: { address, workers: 1, root: project, runtime } };
  const gateway = await startGateway({ pools }, { project });
  for (const leaves of [false, true]) {
    const held = new Held(folder, `attached ${leaves}`);
    for await (const item of (await gateway.invoke('told', held.file)) as AsyncIterable<unknown>) {
      if (leaves) break;
      if (item === 'first') held.go();
      else expect(item).toBe('last');
    }
    expect(await gateway.invoke('pid', null)).toBeGreaterThan(0);
    if (leaves) await until('PHP has stopped', () => !held.pids.some(isAlive));
  }
});
