/** What the listener knows of its callers: one request with its answer, and a connection with those not answered yet. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { cutOff } from './soft-close.ts';

/** A request over a socket, and the answer to it. */
export class Exchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Address of the peer as it was when it connected; undefined for unix sockets. */
  readonly peer: string | undefined;
  #hasLeft = false;
  /** Made when somebody asks: few calls wait, and making one cost 2 µs. */
  #left: AbortController | undefined;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, peer: string | undefined) {
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.peer = peer;
  }

  /** Aborted when the caller leaves before its answer. */
  get signal(): AbortSignal {
    if (this.#left === undefined) {
      this.#left = new AbortController();
      if (this.#hasLeft) this.#left.abort();
    }
    return this.#left.signal;
  }

  /** The caller is gone. */
  leave(): void {
    this.#hasLeft = true;
    this.#left?.abort();
  }

  /** Breaks the connection in the middle of an answer, which its reader cannot take for a whole one. */
  get cut(): () => void {
    return () => cutOff(this.incoming);
  }
}

/** What one connection waits for. */
export class Connection {
  /** Read when it opens: a socket that has closed no longer knows, and would pass for a trusted unix socket. */
  readonly peer: string | undefined;
  /** Whose answers are not out yet, oldest first: with pipelining there are several. */
  readonly unanswered: Exchange[] = [];
  /** Its parser has met an error: what follows has no meaning. */
  broken = false;

  constructor(peer: string | undefined) {
    this.peer = peer;
  }

  answered(exchange: Exchange): void {
    const at = this.unanswered.indexOf(exchange);
    if (at === 0) this.unanswered.shift();
    else if (at > 0) this.unanswered.splice(at, 1);
  }

  /** Its socket has closed. */
  left(): void {
    for (const exchange of this.unanswered) if (!exchange.outgoing.writableFinished) exchange.leave();
  }
}
