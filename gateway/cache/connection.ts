/**
 * One PHP worker at the cache: what it asks is answered in its order. Bounded: one request that is arriving, one chunk
 * that waits, and answers of 256 KB and one value more; whoever does not read them is not read either.
 */
import type { Socket } from 'node:net';
import type { Answers } from './answers.ts';
import { type Asker, carryOut, limitBytes, tokenBytes } from './commands.ts';
import type { Waiter, Woken } from './leases.ts';
import { NUMBER_BYTES, noParts, REQUEST_EXTRA_BYTES, readParts, STATUS, type Status, valueBytes } from './protocol.ts';
import { Requests } from './requests.ts';
import type { SharedCache } from './shared.ts';
import type { Value } from './value.ts';

const UNREAD_MAX_BYTES = 262_144;
/** For half a request to become whole, and for answers to be taken. */
const STALLED_MS = 30_000;
const NOTHING: Buffer = Buffer.alloc(0);

const parts = noParts();

interface Parked {
  readonly key: string;
  readonly waiter: Waiter;
  readonly timer: NodeJS.Timeout;
  readonly number: Buffer;
}

export class CacheConnection implements Asker {
  readonly leased = new Set<string>();
  readonly #socket: Socket;
  readonly #cache: SharedCache;
  readonly #answers: Answers;
  readonly #requests = new Requests();
  /** Where the number of the request lies that is carried out. */
  #number = NOTHING;
  #numberAt = 0;
  #parked: Parked | undefined;
  /** What has arrived while no request may be carried out. */
  #kept = NOTHING;
  #isClogged = false;
  #isOver = false;
  #isStalling = false;

  constructor(socket: Socket, cache: SharedCache, answers: Answers) {
    this.#socket = socket;
    this.#cache = cache;
    this.#answers = answers;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('timeout', () => socket.destroy());
    // The worker sees what went wrong; here it only ends.
    socket.on('error', () => {});
    socket.on('close', () => this.#closed());
  }

  answer(status: Status, payload: Value): void {
    this.#answers.add(this.#socket, this.#number, this.#numberAt, status, payload);
  }

  /** Woken in the middle of another's request: its own answer comes right after that. */
  waiter(leaseMs: number): Waiter {
    return { holder: this, leaseMs, wake: (woken) => queueMicrotask(() => this.#woken(woken)) };
  }

  park(key: string, waiter: Waiter, patienceMs: number): void {
    const number = Buffer.from(this.#number.subarray(this.#numberAt, this.#numberAt + NUMBER_BYTES));
    const timer = setTimeout(() => {
      this.#cache.leases.leave(key, waiter);
      this.#woken({ kind: 'busy' });
    }, patienceMs);
    timer.unref();
    this.#parked = { key, waiter, timer, number };
  }

  get #isBlocked(): boolean {
    return this.#parked !== undefined || this.#isClogged;
  }

  #take(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#isOver) {
      if (this.#isBlocked) {
        this.#kept = this.#kept.length === 0 ? chunk.subarray(at) : Buffer.concat([this.#kept, chunk.subarray(at)]);
        this.#socket.pause();
        break;
      }
      at = this.#step(chunk, at);
      this.#noteUnread();
    }
    this.#answers.flush(this.#socket);
    this.#noteUnread();
    this.#noteStall();
  }

  #step(chunk: Buffer, at: number): number {
    const requests = this.#requests;
    const { valueMaxBytes } = this.#cache.store;
    const cut = requests.next(chunk, at, valueMaxBytes + REQUEST_EXTRA_BYTES);
    if (cut === 'incomplete') return requests.end;
    if (cut === 'malformed') {
      this.#number = Buffer.alloc(NUMBER_BYTES);
      this.#numberAt = 0;
      this.#refuse(`no request has ${requests.length} bytes`);
      return requests.end;
    }
    const { bytes, from, to, isOwn } = requests;
    this.#number = bytes;
    this.#numberAt = from;
    if (cut === 'too-large') {
      this.answer(STATUS.tooLarge, limitBytes(valueMaxBytes, valueBytes(bytes, requests.length)));
      return requests.end;
    }
    const wrong = readParts(bytes, from, to, parts);
    if (wrong === undefined) carryOut({ cache: this.#cache, asker: this, bytes, parts, to, isOwn });
    else this.#refuse(wrong);
    return requests.end;
  }

  #refuse(why: string): void {
    this.#isOver = true;
    this.answer(STATUS.malformed, why);
    this.#answers.flush(this.#socket);
    this.#socket.destroySoon();
  }

  #woken(woken: Woken): void {
    const parked = this.#parked;
    if (parked === undefined) return;
    clearTimeout(parked.timer);
    this.#parked = undefined;
    this.#number = parked.number;
    this.#numberAt = 0;
    if (woken.kind === 'value') this.answer(STATUS.ok, woken.value);
    else if (woken.kind === 'lease') this.answer(STATUS.leased, tokenBytes(woken.token));
    else this.answer(STATUS.busy, '');
    this.#goOn();
  }

  #noteUnread(): void {
    if (this.#isClogged || this.#socket.writableLength <= UNREAD_MAX_BYTES) return;
    this.#isClogged = true;
    this.#socket.pause();
  }

  #noteStall(): void {
    const stalls = this.#isClogged || this.#requests.isWithin || this.#isOver;
    if (stalls === this.#isStalling) return;
    this.#isStalling = stalls;
    this.#socket.setTimeout(stalls ? STALLED_MS : 0);
  }

  #drained(): void {
    if (!this.#isClogged) return;
    this.#isClogged = false;
    this.#goOn();
  }

  /** With what waits, then with what arrives. */
  #goOn(): void {
    const kept = this.#kept;
    this.#kept = NOTHING;
    this.#take(kept);
    if (!this.#isBlocked) this.#socket.resume();
  }

  #closed(): void {
    const parked = this.#parked;
    this.#parked = undefined;
    this.#isOver = true;
    if (parked !== undefined) {
      clearTimeout(parked.timer);
      this.#cache.leases.leave(parked.key, parked.waiter);
    }
    this.#cache.leases.releaseAll(this);
  }
}
