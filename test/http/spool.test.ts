/** Where files wait: in memory while small, then on disk, within a limit for all; gone when they are discarded. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Pieces } from '../../gateway/pieces.ts';
import { Spool, type SpoolLimits } from '../../gateway/spool.ts';
import { temporaryFolder } from '../support/lifetime.ts';

const newSpool = (limits: Partial<SpoolLimits> = {}): Spool =>
  new Spool(join(temporaryFolder(), 'spool'), { afterBytes: 100, maxBytes: 10_000_000, ...limits });

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('a file', () => {
  test('stays in memory up to the limit, and no folder is made', async () => {
    const spool = newSpool();
    const file = spool.file();
    await file.write(Buffer.alloc(60, 'a'));
    await file.write(Buffer.alloc(40, 'b'));
    expect(await file.end()).toEqual({ kind: 'memory', bytes: Buffer.from('a'.repeat(60) + 'b'.repeat(40)) });
    expect([file.size, spool.usedBytes, existsSync(spool.dir)]).toEqual([100, 0, false]);
  });

  test('goes to disk with the byte that is too many, readable by its owner alone', async () => {
    const spool = newSpool();
    const file = spool.file();
    await file.write(Buffer.alloc(100, 'a'));
    await file.write(Buffer.from('b'));
    const content = await file.end();
    if (content.kind !== 'disk') throw new Error('It is in memory.');
    expect(readFileSync(content.path, 'utf8')).toBe(`${'a'.repeat(100)}b`);
    expect([statSync(content.path).mode & 0o777, statSync(spool.dir).mode & 0o777]).toEqual([0o600, 0o700]);
    expect([file.size, spool.usedBytes]).toEqual([101, 101]);
  });

  test('without a byte is a file, too', async () => {
    expect(await newSpool({ afterBytes: 0 }).file().end()).toEqual({ kind: 'memory', bytes: Buffer.alloc(0) });
  });

  test('of many pieces of all sizes arrives in order', async () => {
    const spool = newSpool();
    const file = spool.file();
    const pieces = Array.from({ length: 3000 }, (_, at) => Buffer.alloc((at * 37) % 2000, at % 251));
    for (const piece of pieces) await file.write(piece);
    const content = await file.end();
    if (content.kind !== 'disk') throw new Error('It is in memory.');
    expect(readFileSync(content.path).equals(Buffer.concat(pieces))).toBe(true);
  });

  test('asks a fast writer to wait before it fills the memory', async () => {
    const file = newSpool({ maxBytes: 100_000_000 }).file();
    let written = 0;
    let wait: Promise<void> | undefined;
    while (wait === undefined) {
      wait = file.write(Buffer.alloc(65_536));
      written += 65_536;
    }
    expect(written).toBeLessThan(2_000_000);
    await wait;
    await file.end();
    await file.discard();
  });

  test('has a name nobody can guess, and two have two', async () => {
    const spool = newSpool({ afterBytes: 0 });
    const files = [spool.file(), spool.file()];
    for (const file of files) await file.write(Buffer.from('x'));
    await Promise.all(files.map((file) => file.end()));
    const names = readdirSync(spool.dir);
    expect(names.map((name) => /^[0-9a-f]{32}$/.test(name))).toEqual([true, true]);
  });
});

describe('discarding', () => {
  test('removes the file and gives its place back, once, however often', async () => {
    const spool = newSpool({ afterBytes: 0 });
    const before = openFiles();
    const file = spool.file();
    await file.write(Buffer.alloc(1000));
    await file.end();
    await Promise.all([file.discard(), file.discard()]);
    await file.discard();
    expect([readdirSync(spool.dir), spool.usedBytes, openFiles()]).toEqual([[], 0, before]);
  });

  test('in the middle of writing leaves no file and no descriptor', async () => {
    const spool = newSpool({ afterBytes: 0, maxBytes: 100_000_000 });
    const before = openFiles();
    const files = Array.from({ length: 20 }, () => spool.file());
    for (const file of files) void file.write(Buffer.alloc(3_000_000));
    await Promise.all(files.map((file) => file.discard()));
    expect([readdirSync(spool.dir), spool.usedBytes, openFiles()]).toEqual([[], 0, before]);
  });

  test('what is written behind it is forgotten', async () => {
    const spool = newSpool({ afterBytes: 0 });
    const file = spool.file();
    await file.discard();
    await file.write(Buffer.alloc(1000));
    expect([existsSync(spool.dir), spool.usedBytes]).toEqual([false, 0]);
  });
});

describe('limits', () => {
  test('all files together have so much room; the next is refused and may come again', async () => {
    const spool = newSpool({ afterBytes: 0, maxBytes: 1000 });
    const first = spool.file();
    await first.write(Buffer.alloc(900));
    const second = spool.file();
    expect(() => second.write(Buffer.alloc(101))).toThrow(
      expect.objectContaining({ code: 'overloaded', retryAfterMs: 5000, executed: 'no' }),
    );
    await second.discard();
    await first.discard();
    const third = spool.file();
    await third.write(Buffer.alloc(1000));
    expect(spool.usedBytes).toBe(1000);
    await third.discard();
  });

  test('small files, too, go to disk while others fill the memory', async () => {
    const bytes = Buffer.alloc(16 * 1_048_576);
    const spool = newSpool({ afterBytes: bytes.length, maxBytes: 100_000_000 });
    const files = Array.from({ length: 5 }, () => spool.file());
    for (const file of files) await file.write(bytes);
    const kinds = async (): Promise<string[]> =>
      (await Promise.all(files.map((file) => file.end()))).map(({ kind }) => kind);
    expect(await kinds()).toEqual(['memory', 'memory', 'memory', 'memory', 'disk']);
    await Promise.all(files.map((file) => file.discard()));
    const next = spool.file();
    await next.write(bytes);
    expect([(await next.end()).kind, spool.usedBytes]).toEqual(['memory', 0]);
  });

  test('a limit of nothing keeps small files in memory and refuses others', async () => {
    const file = newSpool({ maxBytes: 0 }).file();
    await file.write(Buffer.alloc(100));
    expect(() => file.write(Buffer.alloc(1))).toThrow(expect.objectContaining({ code: 'overloaded' }));
  });
});

describe('a disk that fails', () => {
  const failing = async (spool: Spool): Promise<unknown> => {
    const file = spool.file();
    try {
      await file.write(Buffer.alloc(2_000_000));
      await file.end();
      return undefined;
    } catch (error) {
      return error;
    } finally {
      await file.discard();
    }
  };

  test('is told, with the reason for operators alone', async () => {
    const spool = newSpool({ afterBytes: 0 });
    writeFileSync(spool.dir, 'a file is in the way');
    const error = await failing(spool);
    expect(error).toMatchObject({
      code: 'store-unavailable',
      retryAfterMs: 5000,
      privateDetail: expect.stringMatching(/EEXIST|ENOTDIR/),
    });
    expect((error as Error).message).not.toContain(spool.dir);
    expect(spool.usedBytes).toBe(0);
  });

  test.skipIf(!existsSync('/dev/full'))('being full is told as what it is', async () => {
    const spool = newSpool({ afterBytes: 0 });
    mkdirSync(spool.dir);
    const { open } = await import('node:fs/promises');
    spool.open = async () => ({ path: '/nowhere/at/all', handle: await open('/dev/full', 'w') });
    expect(await failing(spool)).toMatchObject({
      code: 'storage-full',
      privateDetail: expect.stringContaining('ENOSPC'),
    });
    expect(spool.usedBytes).toBe(0);
  });

  test('being full is told as what it is to a writer who waits, too, while pieces before his are written', async () => {
    const spool = newSpool({ afterBytes: 0 });
    const begun = Promise.withResolvers<void>();
    const written = Promise.withResolvers<never>();
    const writev = (): Promise<never> => {
      begun.resolve();
      return written.promise;
    };
    spool.open = async () => ({ path: '/nowhere/at/all', handle: { writev, close: async () => {} } as never });
    const file = spool.file();
    void file.write(Buffer.alloc(1000));
    await begun.promise;
    const waits = file.write(Buffer.alloc(2_000_000));
    written.reject(Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }));
    await expect(waits).rejects.toMatchObject({
      code: 'storage-full',
      privateDetail: expect.stringContaining('ENOSPC'),
    });
    await file.discard();
  });

  test('nobody who waits is no crash', async () => {
    const spool = newSpool({ afterBytes: 0 });
    writeFileSync(spool.dir, 'a file is in the way');
    const file = spool.file();
    expect(file.write(Buffer.alloc(10))).toBeUndefined();
    await file.discard();
    expect(spool.usedBytes).toBe(0);
  });

  test('a folder that somebody cleaned away is made again', async () => {
    const spool = newSpool({ afterBytes: 0 });
    expect(await failing(spool)).toBeUndefined();
    rmSync(spool.dir, { recursive: true });
    expect(await failing(spool)).toBeUndefined();
  });
});

describe('closing', () => {
  test('removes the folder with all that is in it, at any time and twice', async () => {
    const spool = newSpool({ afterBytes: 0 });
    await spool.close();
    expect(existsSync(spool.dir)).toBe(false);
    const other = newSpool({ afterBytes: 0 });
    const file = other.file();
    await file.write(Buffer.alloc(10));
    await file.end();
    await other.close();
    await other.close();
    expect(existsSync(other.dir)).toBe(false);
    await file.discard();
    expect(other.usedBytes).toBe(0);
  });

  test('refuses new files', async () => {
    const spool = newSpool({ afterBytes: 0 });
    await spool.close();
    const file = spool.file();
    await file.write(Buffer.alloc(10));
    await expect(file.end()).rejects.toMatchObject({ code: 'shutting-down' });
  });
});

test('a folder that is there keeps its rights', async () => {
  const spool = newSpool({ afterBytes: 0 });
  mkdirSync(spool.dir);
  chmodSync(spool.dir, 0o711);
  const file = spool.file();
  await file.write(Buffer.alloc(10));
  await file.end();
  await file.discard();
  expect(statSync(spool.dir).mode & 0o777).toBe(0o711);
});

test('pieces, however small and many, are the same bytes in the same order', () => {
  const pieces = new Pieces();
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, at) => at % 256));
  for (const byte of bytes) pieces.add(Buffer.from([byte]));
  expect(pieces.size).toBe(5000);
  expect(pieces.join().equals(bytes)).toBe(true);
  expect([pieces.size, pieces.join().length]).toEqual([0, 0]);
});
