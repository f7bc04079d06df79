/** What a file of keys promises, by the clock of the test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { assertVersion } from '../../gateway/idempotency/key-file.ts';
import type { KeyResult, KeyTask } from '../../gateway/idempotency/messages.ts';
import { isGone, ownerName } from '../../gateway/idempotency/owner.ts';
import { processFacts } from '../../gateway/pool/instance-dir.ts';
import { openKeys, type TestKeys } from '../support/keys.ts';
import { temporaryFolder, thisTest } from '../support/lifetime.ts';
import { canMount, Tmpfs } from '../support/tmpfs.ts';
import { until } from '../support/until.ts';

const id = (name: string): Uint8Array => Buffer.from(name);
const begin = (name: string, more: object = {}): KeyTask => ({
  task: 'begin',
  id: id(name),
  fingerprint: id('input'),
  mayRunAgain: false,
  timeoutMs: 5000,
  ...more,
});
const finish = (name: string, answer = 'answer'): KeyTask => ({ task: 'finish', id: id(name), answer: id(answer) });
const abandon = (name: string): KeyTask => ({ task: 'abandon', id: id(name) });

const run = ({ tasks }: TestKeys, ...all: KeyTask[]): KeyResult[] => tasks.run(all);
const told = (result: KeyResult | undefined): unknown =>
  result?.kind === 'ok' ? result.answer?.kind : result?.failure.kind;
const ask = (keys: TestKeys, task: KeyTask): unknown => told(run(keys, task)[0]);

describe('an operation', () => {
  test('begins once, is in flight until it ends, and then has its answer', () => {
    const keys = openKeys();
    expect(ask(keys, begin('a'))).toBe('begun');
    keys.nowMs += 1000;
    expect(run(keys, begin('a'))[0]).toMatchObject({ answer: { kind: 'inFlight', remainingMs: 4000 } });
    ask(keys, finish('a'));
    const [again] = run(keys, begin('a'));
    expect(again).toMatchObject({ answer: { kind: 'done' } });
    expect(Buffer.from((again as { answer: { answer: Uint8Array } }).answer.answer).toString()).toBe('answer');
  });

  test('begins once of many that ask in one go', () => {
    const results = run(openKeys(), ...Array.from({ length: 50 }, () => begin('a')));
    expect(results.map(told)).toEqual(['begun', ...Array.from({ length: 49 }, () => 'inFlight')]);
  });

  test('with another input is a mismatch, in flight and when done', () => {
    const keys = openKeys();
    const other = begin('a', { fingerprint: id('other') });
    run(keys, begin('a'));
    expect(ask(keys, other)).toBe('mismatch');
    run(keys, finish('a'));
    expect(ask(keys, other)).toBe('mismatch');
  });

  test('that did not run frees its key', () => {
    const keys = openKeys();
    run(keys, begin('a'));
    run(keys, abandon('a'));
    expect(ask(keys, begin('a', { fingerprint: id('other') }))).toBe('begun');
  });

  test('is not ended by what was owed for one before it', () => {
    const keys = openKeys();
    run(keys, begin('a'));
    const other = new DatabaseSync(keys.path);
    other.exec('BEGIN IMMEDIATE');
    expect(ask(keys, abandon('a'))).toBe('busy');
    other.exec('ROLLBACK');
    other.close();
    expect(ask(keys, begin('a'))).toBe('begun');
    keys.tasks.settle();
    expect(ask(keys, begin('a'))).toBe('inFlight');
  });

  test('is forgotten when its time is over, and not before', () => {
    const keys = openKeys();
    run(keys, begin('a'), finish('a'));
    keys.nowMs += 59_999;
    expect(ask(keys, begin('a'))).toBe('done');
    keys.nowMs += 1;
    expect(ask(keys, begin('a'))).toBe('begun');
  });

  test('that runs is not forgotten however long that takes', () => {
    const keys = openKeys();
    run(keys, begin('a'));
    keys.nowMs += 10_000_000;
    run(keys, { task: 'sweep' });
    expect(ask(keys, begin('a'))).toBe('inFlight');
  });
});

describe('an operation whose gateway has ended', () => {
  const orphan = (): TestKeys => {
    const gone = openKeys({ owner: 'gone' });
    run(gone, begin('a'));
    return openKeys({ path: gone.path });
  };

  test('is unknown, until its time is over', () => {
    const keys = orphan();
    expect(ask(keys, begin('a'))).toBe('unknown');
    run(keys, { task: 'sweep' });
    expect(ask(keys, begin('a'))).toBe('unknown');
    keys.nowMs += 65_001;
    expect(ask(keys, begin('a'))).toBe('begun');
  });

  test('begins again where that does no harm, once', () => {
    const keys = orphan();
    const again = begin('a', { mayRunAgain: true });
    expect(run(keys, again, again).map(told)).toEqual(['begun', 'inFlight']);
  });

  test('is ended by nobody else', () => {
    const keys = orphan();
    run(keys, finish('a'), abandon('a'));
    expect(ask(keys, begin('a'))).toBe('unknown');
  });

  test('is unknown at once where the gateway closed its file', () => {
    const first = openKeys({ owner: 'first' });
    run(first, begin('a'));
    const second = openKeys({ path: first.path });
    expect(ask(second, begin('a'))).toBe('inFlight');
    first.tasks.close();
    expect(ask(second, begin('a'))).toBe('unknown');
  });

  test('is told from one that runs by its process', () => {
    const us = ownerName('x');
    expect(isGone(us, 0)).toBe(false);
    const [boot, namespace, pid, ticks] = us.split(' ');
    expect(isGone(`${boot} ${namespace} ${pid} ${Number(ticks) - 1} x`, 0)).toBe(true);
    expect(isGone(`another-boot ${namespace} ${pid} ${ticks} x`, 0)).toBe(true);
    // A container beside us, whose processes we do not see.
    expect(isGone(`${boot} pid:[1] 1 1 x`, 0)).toBe(false);
    expect(isGone(`${boot} pid:[1] 1 1 x`, 60_001)).toBe(true);
  });

  test('is over when its process has ended, though nobody asks how', async () => {
    // `sleep` has a child of which it knows nothing.
    const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] });
    thisTest(() => void parent.kill('SIGKILL'));
    const [pid] = (await once(parent.stdout, 'data')).map(Number);
    const [boot, namespace] = ownerName('x').split(' ');
    const owner = `${boot} ${namespace} ${pid} ${processFacts(pid ?? 0)?.ticks} x`;
    expect(isGone(owner, 0)).toBe(false);
    process.kill(pid ?? 0, 'SIGKILL');
    await until('the process has ended', () => processFacts(pid ?? 0)?.isZombie !== false);
    expect(isGone(owner, 0)).toBe(true);
  });
});

describe('limits', () => {
  test('of keys and of bytes are told with their value, and hold no more than new keys', () => {
    const keys = openKeys({ keysMax: 2 });
    run(keys, begin('a'), begin('b'));
    const [full, ended, known] = run(keys, begin('c'), finish('a'), begin('a'));
    expect(full).toMatchObject({ failure: { kind: 'full', detail: 'There are 2 keys; idempotency.keysMax is 2.' } });
    expect([told(ended), told(known)]).toEqual([undefined, 'done']);

    const bytes = openKeys({ maxBytes: 10 });
    run(bytes, begin('a'), finish('a', '0123456789'));
    expect(run(bytes, begin('b'))[0]).toMatchObject({
      failure: { detail: 'Their answers have 10 bytes; idempotency.maxBytes is 10.' },
    });
  });

  test('count nothing that has expired', () => {
    const keys = openKeys({ keysMax: 1, maxBytes: 5 });
    run(keys, begin('a'), finish('a', 'longer than that'));
    keys.nowMs += 60_000;
    expect(ask(keys, begin('b'))).toBe('begun');
  });

  test('a sweep takes a step at a time', () => {
    const keys = openKeys({ keysMax: 10_000 });
    const names = Array.from({ length: 700 }, (_, number) => `k${number}`);
    run(keys, ...names.map((name) => begin(name)), ...names.map((name) => finish(name)));
    keys.nowMs += 60_000;
    expect(run(keys, { task: 'sweep' })[0]).toMatchObject({ isSwept: false });
    expect(run(keys, { task: 'sweep' })[0]).toMatchObject({ isSwept: true });
  });
});

describe('the file', () => {
  test('is its user’s alone, with WAL, and synced with each commit also when it is opened again', () => {
    const { path, ...keys } = openKeys({ path: join(temporaryFolder(thisTest), 'state', 'keys.sqlite') });
    run({ path, ...keys }, begin('a'));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    keys.tasks.close();
    expect(ask(openKeys({ path }), begin('a'))).toBe('unknown');
  });

  test.each([
    ['bytes that are no database', (path: string) => writeFileSync(path, 'not a database '.repeat(1000))],
    [
      'the database of another program',
      (path: string) => {
        const db = new DatabaseSync(path);
        db.exec('CREATE TABLE theirs (a)');
        db.close();
      },
    ],
    [
      'a file of a later version',
      (path: string) => {
        const keys = openKeys({ path });
        run(keys, begin('a'));
        keys.tasks.close();
        const db = new DatabaseSync(path);
        db.exec('PRAGMA user_version = 99');
        db.close();
      },
    ],
  ])('that holds %s is refused with its path, and left as it is', (_, make) => {
    const path = join(temporaryFolder(thisTest), 'keys.sqlite');
    make(path);
    const before = readFileSync(path);
    const [result] = run(openKeys({ path }), begin('a'));
    expect(result).toMatchObject({ failure: { kind: 'broken', cause: expect.stringContaining(path) } });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('whose pages are damaged is refused, and not mended by dropping', () => {
    const keys = openKeys();
    run(keys, ...Array.from({ length: 300 }, (_, number) => begin(`k${number}`)));
    keys.tasks.close();
    const bytes = readFileSync(keys.path);
    bytes.fill(0xff, 4096);
    writeFileSync(keys.path, bytes);
    expect(ask(openKeys({ path: keys.path }), begin('k1'))).toBe('broken');
    expect(readFileSync(keys.path).equals(bytes)).toBe(true);
  });

  test('that is removed while it is in use is not written on', () => {
    const keys = openKeys();
    run(keys, begin('a'));
    rmSync(keys.path);
    expect(run(keys, begin('b'))[0]).toMatchObject({ failure: { cause: expect.stringContaining('was removed') } });
    expect(existsSync(keys.path)).toBe(false);
  });

  test('that another process holds is told as locked, and goes on when it is free', () => {
    const keys = openKeys();
    run(keys, begin('a'));
    const other = new DatabaseSync(keys.path);
    other.exec('BEGIN IMMEDIATE');
    expect(ask(keys, begin('b'))).toBe('busy');
    // An end that could not be written is written later.
    expect(ask(keys, finish('a'))).toBe('busy');
    expect(keys.tasks.owes).toBe(true);
    other.exec('ROLLBACK');
    other.close();
    expect(ask(keys, begin('a'))).toBe('done');
    keys.tasks.settle();
    expect(keys.tasks.owes).toBe(false);
  });

  test('of an SQLite that may damage it is not opened', () => {
    for (const good of ['3.51.3', '3.52.0', '4.0.0']) expect(() => assertVersion(good)).not.toThrow();
    for (const bad of ['3.51.2', '3.46.1']) expect(() => assertVersion(bad)).toThrow(`has SQLite ${bad}`);
  });
});

describe('a full disk', () => {
  /** Until nothing more fits. */
  const fill = (folder: string): void => {
    for (let bytes = 65_536; bytes >= 1; bytes = Math.floor(bytes / 2)) {
      try {
        for (;;) writeFileSync(join(folder, 'fill'), Buffer.alloc(bytes), { flag: 'a' });
      } catch {
        // Smaller pieces may still fit.
      }
    }
  };

  test.skipIf(!canMount)(
    'takes no new keys, but what runs is marked as done, and it goes on when there is room',
    () => {
      const folder = new Tmpfs('1m').folder;
      const keys = openKeys({ path: join(folder, 'keys.sqlite') });
      expect(ask(keys, begin('a'))).toBe('begun');
      fill(folder);
      const results = Array.from({ length: 40 }, (_, number) => ask(keys, begin(`more-${number}`)));
      expect(results.at(-1)).toBe('full');
      expect(ask(keys, finish('a', 'x'.repeat(20_000)))).toBe(undefined);
      expect(keys.tasks.owes).toBe(false);
      expect(existsSync(`${keys.path}.reserve`)).toBe(false);
      // The room that is left is not for them.
      expect(ask(keys, begin('new'))).toBe('full');
      rmSync(join(folder, 'fill'));
      expect(ask(keys, begin('a'))).toBe('done');
      expect(ask(keys, begin('b'))).toBe('begun');
      keys.tasks.settle();
      expect(existsSync(`${keys.path}.reserve`)).toBe(true);
    },
  );

  test.skipIf(!canMount)('from the start is told as such', () => {
    const folder = new Tmpfs('1m').folder;
    fill(folder);
    expect(ask(openKeys({ path: join(folder, 'keys.sqlite') }), begin('a'))).toBe('full');
  });

  test.skipIf(!canMount)('never forgets what ran: with no room at all it is owed', () => {
    const folder = new Tmpfs('1m').folder;
    const keys = openKeys({ path: join(folder, 'keys.sqlite') });
    run(keys, begin('a'));
    rmSync(`${keys.path}.reserve`);
    fill(folder);
    expect(ask(keys, finish('a', 'x'.repeat(100_000)))).toBe('full');
    expect(keys.tasks.owes).toBe(true);
    rmSync(join(folder, 'fill'));
    expect(ask(keys, begin('a'))).toBe('done');
  });
});

test.skipIf(!canMount)('a disk that may only be read is told, with its path and how to mend it', () => {
  const disk = new Tmpfs('1m');
  const path = join(disk.folder, 'keys.sqlite');
  const keys = openKeys({ path });
  run(keys, begin('a'), finish('a'));
  keys.tasks.close();
  disk.readOnly();
  expect(run(openKeys({ path }), begin('b'))[0]).toMatchObject({
    failure: { kind: 'broken', cause: expect.stringMatching(`${path} cannot be used: .*(?:stateDir|right to)`) },
  });
  disk.writable();
  expect(ask(openKeys({ path }), begin('a'))).toBe('done');
});

test('a folder that may not be written is told with its path', () => {
  const folder = temporaryFolder(thisTest);
  // Root may write everywhere, but not below a file.
  writeFileSync(join(folder, 'file'), '');
  chmodSync(join(folder, 'file'), 0o400);
  const path = join(folder, 'file', 'keys.sqlite');
  expect(run(openKeys({ path }), begin('a'))[0]).toMatchObject({
    failure: { kind: 'broken', cause: expect.stringContaining(path) },
  });
});
