/** No room on disk, where files wait. What is kept in `stateDir` joins here (rows 43 to 45). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../../support/lifetime.ts';
import type { WorldSpec } from '../world.ts';
import type { Row } from './row.ts';

const UPLOAD = `
import { z } from 'zod';
import { defineFunction, file } from 'fpm-gateway/contract';
export default defineFunction({
  input: file({ maxBytes: 8_000_000, mediaTypes: ['text/plain'] }),
  output: z.strictObject({ size: z.int() }),
});
`;

let disk = '';

/** A disk of 2 MB. */
const SMALL_DISK: WorldSpec = {
  functions: {
    'schemas/upload.ts': UPLOAD,
    'functions/upload.php': '<?php return static fn ($file): array => ["size" => $file->size];',
  },
  prepare: async ({ lifetime }) => {
    const folder = temporaryFolder(lifetime);
    chmodSync(folder, 0o755);
    disk = join(folder, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=1777', 'tmpfs', disk]);
    // Lazily: a process that still ends may be in it.
    lifetime(() => void execFileSync('umount', ['--lazy', disk]));
    return { FPMG_SPOOL_DIR: disk };
  },
};

const text = { 'content-type': 'text/plain' };

/** Only root may mount a disk. */
const withDisk: readonly Row[] = [
  {
    number: 68,
    fault: 'The disk where files wait is full',
    expected: '503 overloaded or 507 storage-full, not run; calls without files served; files again when there is room',
    world: SMALL_DISK,
    run: async (world) => {
      const upload = (bytes: number) => world.call('upload', null, { headers: text, raw: 'a'.repeat(bytes) });
      assert.deepEqual((await upload(1_000_000)).body, { size: 1_000_000 });
      const refused = await upload(4_000_000);
      assert.ok(['overloaded', 'storage-full'].includes(refused.code), refused.text);
      assert.equal(refused.executed, 'no');
      world.last = refused;
      const ballast = join(disk, 'ballast');
      assert.throws(() => writeFileSync(ballast, Buffer.alloc(4_000_000)), { code: 'ENOSPC' });
      await world.serves();
      assert.ok((await upload(1_000_000)).status >= 500, 'there is no room at all');
      rmSync(ballast);
      assert.deepEqual((await upload(1_000_000)).body, { size: 1_000_000 });
      const left = readdirSync(disk, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
      assert.deepEqual(
        left.map(({ name }) => name),
        [],
        'no file is left',
      );
    },
  },
];

/** Without root they come later. */
export const diskRows: readonly Row[] = process.getuid?.() === 0 ? withDisk : [];
