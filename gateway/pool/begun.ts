/**
 * What a concurrent worker had begun when it died: it appends the two bytes of a request's id to a file beside its socket
 * right before the call's Fiber starts. That is one write of 1 µs; a record on the connection would wake the gateway.
 */
import { closeSync, constants, fstatSync, openSync, readSync, unlinkSync } from 'node:fs';
import type { Address } from '../address.ts';
import type { BegunRequests } from '../fastcgi/index.ts';

/** Ids are given out in turn, 1 to 65,535: further back an id may be that of an earlier request. */
const LAST_IDS = 60_000;
/**
 * A call that was begun long ago, and runs still, is no longer among the last ones: it would pass for one that never began,
 * and run twice. They begin in about the order written: a large body comes later than what was written behind it, but no
 * more than are under way at once (twice CONCURRENCY_MAX, and some) come between.
 */
const KNOWN_OF = 32_768;

/** Read once, when the worker is gone; undefined: there is no such file. */
export const begunIds = (address: Address): BegunRequests | undefined => {
  if (address.kind !== 'unix') return undefined;
  const path = `${address.path}.begun`;
  try {
    const bytes = tailOf(path, 2 * LAST_IDS);
    unlinkSync(path);
    const ids = new Set<number>();
    // A write that was cut proves nothing, and none is: two bytes go whole or not at all.
    for (let at = 0; at + 2 <= bytes.length; at += 2) ids.add(bytes.readUInt16BE(at));
    return { ids, knownOf: KNOWN_OF };
  } catch {
    return undefined;
  }
};

/** The folder is the workers' user's: nothing there is followed elsewhere, and nothing that is no file is waited for. */
const tailOf = (path: string, maxBytes: number): Buffer => {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new Error(`${path} is no file.`);
    const end = stat.size - (stat.size % 2);
    const start = Math.max(0, end - maxBytes);
    const bytes = Buffer.alloc(end - start);
    return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, start));
  } finally {
    closeSync(file);
  }
};
