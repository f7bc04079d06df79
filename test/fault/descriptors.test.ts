/** Row 60 of the fault catalogue: a gateway that may open few files goes on, says so, and takes callers again. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Descriptors, fitOf, type OpenFiles } from '../../gateway/descriptors.ts';
import { runCommand, type ServingCommand, serve } from '../support/command.ts';
import { functionsProject } from '../support/project.ts';
import { until } from '../support/until.ts';

describe('room for connections', () => {
  const watched = (reserve: number, first: OpenFiles | undefined) => {
    let files = first;
    let nowMs = 0;
    let looks = 0;
    const read = (): OpenFiles | undefined => {
      looks += 1;
      return files;
    };
    return {
      descriptors: new Descriptors({ reserve, read, clock: () => nowMs }),
      looks: () => looks,
      later: (ms: number, next: OpenFiles) => {
        nowMs += ms;
        files = next;
      },
    };
  };

  test('is counted between two looks, which are a second apart', () => {
    const { descriptors, looks, later } = watched(10, { open: 88, limit: 100 });
    expect(descriptors.opened()).toBe('admit');
    expect([1, 2, 3].map(() => descriptors.opened())).toEqual(['admit', 'admit', 'refuse']);
    descriptors.closed();
    descriptors.closed();
    expect(descriptors.opened()).toBe('admit');
    expect(looks()).toBe(1);
    later(1000, { open: 97, limit: 100 });
    expect(descriptors.opened()).toBe('drop');
    later(1000, { open: 20, limit: 100 });
    expect(descriptors.opened()).toBe('admit');
    expect(looks()).toBe(3);
  });

  test('ends for answers, too, when half of what is kept back is gone', () => {
    const { descriptors } = watched(10, { open: 90, limit: 100 });
    const met = Array.from({ length: 8 }, () => descriptors.opened());
    expect(met).toEqual(['admit', 'refuse', 'refuse', 'refuse', 'refuse', 'refuse', 'drop', 'drop']);
  });

  test('is not watched where the system says nothing', () => {
    expect(watched(10, undefined).descriptors.opened()).toBe('admit');
  });

  test('says which limit was met, and how to mend it', () => {
    const { descriptors } = watched(64, { open: 128, limit: 128 });
    descriptors.opened();
    expect(descriptors.refusal()).toMatchObject({
      code: 'overloaded',
      status: 503,
      executed: 'no',
      message: 'The gateway may open 128 files, and all but 64 of them are open (overload.descriptorsFree).',
      privateDetail: 'raise ulimit -n, or LimitNOFILE of its systemd unit',
    });
  });

  test('is looked for at start: what does not fit is told, with what takes it up', () => {
    const needs = { workers: 10, maxConnections: 100, reserve: 30 };
    expect(fitOf({ open: 50, limit: 200 }, needs)).toEqual({ kind: 'fits' });
    expect(fitOf({ open: 50, limit: 199 }, needs)).toEqual({
      kind: 'fewer',
      connections: 99,
      detail:
        'This process may open 199 files (ulimit -n, or LimitNOFILE of its systemd unit): 50 are open, 10 workers may take 20, and overload.descriptorsFree keeps back 30: 99 connections fit, and http.maxConnections is 100. More get 503; raise the limit, or lower the setting.',
    });
    expect(fitOf({ open: 50, limit: 100 }, needs)).toMatchObject({ kind: 'none', connections: 0 });
  });
});

const project = (): string => functionsProject({ one: 'return 1;' });

const call = async ({ url }: ServingCommand): Promise<number> => {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}/functions/one`, { method: 'POST', headers, body: 'null' });
  await response.arrayBuffer();
  return response.status;
};

test('a gateway with 128 files answers those that are too many with 503, serves the others, and takes all again afterwards', async () => {
  const env = { FPMG_OVERLOAD__DESCRIPTORS_FREE: '32' };
  const gateway = await serve('start', project(), { env, filesMax: 128 });
  await until('its log says so', () => gateway.out().includes('This process may open 128 files'));
  const { hostname, port } = new URL(gateway.url);
  const open = async (): Promise<Socket> => {
    const socket = connect(Number(port), hostname).on('error', () => {});
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  const first = await open();
  let answers = '';
  first.on('data', (chunk) => (answers += chunk));
  const ask = () =>
    first.write(
      'POST /functions/one HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\nnull',
    );
  let told = '';
  let ended = 0;
  const others: Socket[] = [];
  for (let n = 0; n < 200; n += 1) {
    const socket = await open();
    others.push(socket.on('data', (chunk) => (told += chunk)).on('close', () => (ended += 1)));
  }
  await until('some are told', () => told.includes('"code":"overloaded"') && ended > 50);
  expect(told).toMatch(/^HTTP\/1.1 503 Service Unavailable\r\n/);
  expect(told).toContain('may open 128 files, and all but 32 of them are open');
  ask();
  await until('one that is in is served', () => answers.endsWith('\r\n\r\n1'));
  expect(answers).toMatch(/^HTTP\/1.1 200 /);
  for (const socket of others) socket.destroy();
  await until('it takes callers again', async () => (await call(gateway).catch(() => 0)) === 200);
  expect(gateway.child.exitCode).toBe(null);
});

test('one without a descriptor left at all goes on when there are some again', async () => {
  const gateway = await serve('start', project());
  expect(await call(gateway)).toBe(200);
  const limit = (max: number) => spawnSync('prlimit', ['--pid', String(gateway.child.pid), `--nofile=${max}:4096`]);
  // As many as it has: the next that it opens may be none.
  limit(1 + Math.max(...readdirSync(`/proc/${gateway.child.pid}/fd`).map(Number)));
  const { hostname, port } = new URL(gateway.url);
  const closed = Array.from({ length: 20 }, () => {
    const socket = connect(Number(port), hostname)
      .on('error', () => {})
      .resume();
    return once(socket, 'close');
  });
  await Promise.all(closed);
  limit(4096);
  await until('it takes callers again', async () => (await call(gateway).catch(() => 0)) === 200);
});

test('one that has no room for a single connection does not start, and says which limit to raise', async () => {
  const { exit, out, err } = runCommand(['--project', project(), 'start', '--json'], {
    env: { FPMG_OVERLOAD__DESCRIPTORS_FREE: '100' },
    filesMax: 120,
  });
  expect(await exit).toBe(1);
  expect(`${out()} ${err()}`).toMatch(/ulimit -n.*This process may open 120 files .*none is left for connections/s);
});
