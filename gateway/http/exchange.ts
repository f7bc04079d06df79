/** What the listener knows of its callers: one request with its answer, and a connection with those not answered yet. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LeavingCaller } from '../caller.ts';
import { cutOff } from './soft-close.ts';

/** A request over a socket, and the answer to it. */
export class Exchange extends LeavingCaller {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Address of the peer as it was when it connected; undefined for unix sockets. */
  readonly peer: string | undefined;
  /** What its caller may be told of how long the connection is kept. */
  readonly keepAlive: string | undefined;
  /** What it began runs on behind the head of its answer, until then. */
  lasts: Promise<void> | undefined = undefined;

  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { peer, keepAlive }: Pick<Exchange, 'peer' | 'keepAlive'>,
  ) {
    super();
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.peer = peer;
    this.keepAlive = keepAlive;
  }

  /** Breaks the connection in the middle of an answer, which its reader cannot take for a whole one. */
  get cut(): () => void {
    return () => cutOff(this.incoming);
  }
}

/** Never added to. */
const NONE: Exchange[] = [];

/** What one connection waits for. */
export class Connection {
  /** Read when it opens: a socket that has closed no longer knows, and would pass for a trusted unix socket. */
  readonly peer: string | undefined;
  /** Whose answers are not out yet, oldest first: with pipelining there are several. */
  #unanswered = NONE;
  /** Its parser has met an error: what follows has no meaning. */
  broken = false;
  /** Its caller is told to send nothing more. */
  leaving = false;
  /** It was told that there is no room for it: what it asks has no answer. */
  refused = false;
  #seenBytes = -1;
  #quietSinceMs = 0;

  constructor(peer: string | undefined) {
    this.peer = peer;
  }

  get unanswered(): readonly Exchange[] {
    return this.#unanswered;
  }

  /** Without pipelining there is but one; an empty list would make room for 17. */
  asked(exchange: Exchange): void {
    if (this.#unanswered.length === 0) this.#unanswered = [exchange];
    else this.#unanswered.push(exchange);
  }

  answered(exchange: Exchange): void {
    const at = this.#unanswered.indexOf(exchange);
    if (at === 0) this.#unanswered.shift();
    else if (at > 0) this.#unanswered.splice(at, 1);
    if (this.#unanswered.length === 0) this.#unanswered = NONE;
  }

  /** Says in the newest answer, if it is not out yet, that none follows. */
  last(): void {
    const outgoing = this.#unanswered.at(-1)?.outgoing;
    if (outgoing === undefined || outgoing.headersSent) return;
    outgoing.setHeader('connection', 'close');
    this.leaving = true;
  }

  /**
   * How long nothing has been asked and nothing has come, ms, as far as it was looked at: Node's own timer, set anew for
   * each answer, was a sixth of what an answer costs.
   */
  idleMs(nowMs: number, bytesRead: number): number {
    if (this.#unanswered.length > 0 || bytesRead !== this.#seenBytes) {
      this.#seenBytes = bytesRead;
      this.#quietSinceMs = nowMs;
    }
    return nowMs - this.#quietSinceMs;
  }

  /** Its socket has closed. */
  left(): void {
    for (const exchange of this.#unanswered) if (!exchange.outgoing.writableFinished) exchange.leave();
  }
}
