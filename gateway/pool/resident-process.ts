/**
 * One PHP process of the resident engine that we started: a master that forks workers which share what it has loaded,
 * or, where PHP cannot fork, a single worker. It is asked in lines of JSON on its file descriptor 3, and ends with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import type { Log } from '../log.ts';
import type { PhpException } from './envelope.ts';
import type { Guard } from './guard.ts';

export interface ResidentProgram {
  readonly pool: string;
  /** PHP's command line program. */
  readonly program: string;
  /** `-d name=value` … */
  readonly iniArguments: readonly string[];
  /** `resident.php`, as the process sees it. */
  readonly script: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
  /** Ends it should the gateway die. */
  readonly guard?: Guard;
  readonly log: Log;
}

/** What it is to load, and where it listens if it is a single worker. */
export interface StartOrder {
  readonly op: 'start';
  readonly bootstrap: string;
  readonly bootstrapIn: 'master' | 'worker';
  readonly functions: readonly {
    readonly name: string;
    readonly file: string;
    readonly streams: 'items' | 'bytes' | null;
  }[];
  readonly uploads: string;
  readonly sentinel: { readonly first: number; readonly dense: boolean } | null;
  /** Its workers run many calls at once. */
  readonly concurrent: { readonly callMemoryBytes: number } | null;
  /** For process lists. */
  readonly title: string;
  readonly socket: string | null;
}

export type ResidentEvent =
  | { readonly event: 'ready'; readonly forks: boolean; readonly bootstrapMs: number; readonly stray?: string }
  /** The bootstrap opened what processes must not share. */
  | { readonly event: 'unshared'; readonly why: string }
  | {
      readonly event: 'failed';
      /** What it was loading. */
      readonly file?: string;
      readonly reason?: string;
      readonly message?: string;
      readonly exception?: PhpException;
    }
  | { readonly event: 'forked'; readonly id: number; readonly pid: number }
  | { readonly event: 'refused'; readonly id: number; readonly message: string }
  | { readonly event: 'exited'; readonly pid: number; readonly status?: number; readonly signal?: number };

const KEPT_LINES = 20;
const LINE_MAX_CHARS = 65_536;

export class ResidentProcess {
  readonly pid: number;
  /** Resolves with how it ended. */
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #said: string[] = [];

  /** `onEvent` is told of all it says, in order. */
  constructor(program: ResidentProgram, order: StartOrder, onEvent: (event: ResidentEvent) => void) {
    const { pool, log, user, guard } = program;
    const folder = dirname(program.script);
    // Read from standard input, a script finds no STDIN, STDOUT and STDERR defined, as under php-fpm.
    const script = openSync(program.script, 'r');
    const child: ChildProcess = spawn(program.program, [...program.iniArguments, '--', folder], {
      stdio: [script, 'pipe', 'pipe', 'pipe'],
      env: { ...program.env },
      // As under php-fpm, so that relative paths mean the same.
      cwd: folder,
      // A group of its own: a Ctrl-C on the terminal is for the gateway, which lets calls finish.
      detached: true,
      ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    });
    closeSync(script);
    this.#child = child;
    this.pid = child.pid ?? 0;
    guard?.add(child.pid);
    child.once('exit', () => guard?.delete(child.pid));
    this.exited = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `status ${code}`));
    });
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      readLines(stream, (line) => {
        this.#said.push(line.slice(0, 1000));
        if (this.#said.length > KEPT_LINES) this.#said.shift();
        log.warn({ pool, line }, 'a resident PHP process wrote to its stderr');
      });
    }
    // Workers have a copy of descriptor 3, and no key: a handler that writes there speaks for nobody.
    const key = randomUUID();
    this.#control = child.stdio[3] as Socket;
    // It may have ended before it read; `exited` tells.
    this.#control.on('error', () => {});
    readLines(this.#control, (line) => {
      const event = parseEvent(line, key);
      if (event === undefined) log.warn({ pool, line: line.slice(0, 300) }, 'a resident PHP process sent no event');
      else onEvent(event);
    });
    this.#tell({ ...order, key });
  }

  /** What it wrote last, for error messages. */
  get said(): string {
    return this.#said.join('\n');
  }

  fork(id: number, socket: string): void {
    this.#tell({ op: 'fork', id, socket });
  }

  /** Ends it alone, now. */
  end(): void {
    this.#child.kill('SIGKILL');
    this.stop();
  }

  /** It forks no more; its workers live on until their connections end. Idempotent. */
  stop(): void {
    this.#control.destroy();
  }

  /** Ends it, and what it forked, now. */
  kill(): void {
    this.stop();
    // 0 is our own group: it never began.
    if (this.pid === 0) return;
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // The group has ended.
    }
  }

  #tell(order: object): void {
    this.#control.write(`${JSON.stringify(order)}\n`);
  }
}

/** Whatever the application wrote there is not believed to be ours. */
const parseEvent = (line: string, key: string): ResidentEvent | undefined => {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('event' in value)) return undefined;
    return 'key' in value && value.key === key ? (value as ResidentEvent) : undefined;
  } catch {
    return undefined;
  }
};

/** A line without an end is cut: it would fill the memory. */
const readLines = (stream: Readable, take: (line: string) => void): void => {
  let held = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    held += text;
    const lines = held.split('\n');
    held = lines.pop() ?? '';
    for (const line of lines) take(line);
    if (held.length <= LINE_MAX_CHARS) return;
    take(held);
    held = '';
  });
};
