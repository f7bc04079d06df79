/** Descriptor 3, between the gateway and a process of the resident engine: what the application writes there is nobody's word. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findPhpFpm } from '../../gateway/pool/fpm-master.ts';
import { findPhp } from '../../gateway/pool/php-cli.ts';
import { type ResidentEvent, ResidentProcess } from '../../gateway/pool/resident-process.ts';
import { temporaryFolder, thisTest } from '../support/lifetime.ts';
import { connectWorker } from '../support/resident-worker.ts';
import { until } from '../support/until.ts';

const SCRIPT = join(import.meta.dirname, '..', '..', 'gateway', 'php', 'resident.php');

test('an event that a handler writes into its copy of descriptor 3 is not believed', async () => {
  const folder = temporaryFolder(thisTest);
  const file = join(folder, 'forges.php');
  writeFileSync(
    file,
    `<?php return static fn (): int|false => file_put_contents('php://fd/3', '{"event":"exited","pid":1,"status":0}' . "\\n");`,
  );
  const events: ResidentEvent[] = [];
  const lines: unknown[] = [];
  const log = { warn: (told: unknown) => void lines.push(told) };
  const resident = new ResidentProcess(
    {
      pool: 'default',
      program: findPhp(undefined, findPhpFpm(undefined)),
      iniArguments: [],
      script: SCRIPT,
      env: {},
      user: undefined,
      log: log as never,
    },
    {
      op: 'start',
      bootstrap: '',
      bootstrapIn: 'master',
      functions: [{ name: 'forges', file, streams: null }],
      uploads: folder,
      sentinel: null,
      concurrent: null,
      title: '',
      socket: null,
    },
    (event) => void events.push(event),
  );
  thisTest(() => resident.kill());
  await until('a master that is ready', () => events.some(({ event }) => event === 'ready'));
  const socket = join(folder, 'w.sock');
  resident.fork(1, socket);
  await until('a worker', () => events.some(({ event }) => event === 'forked'));
  const worker = await connectWorker(socket, 0, thisTest);
  expect((await worker.call('forges')).output).toBeGreaterThan(0);
  await until('the line', () => lines.length > 0);
  expect(lines).toEqual([expect.objectContaining({ line: '{"event":"exited","pid":1,"status":0}' })]);
  expect(events.map(({ event }) => event)).toEqual(['ready', 'forked']);
});
