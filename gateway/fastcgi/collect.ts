/** A whole CGI response in memory, within limits: what every answer is that is not streamed. */
import { GatewayError } from '../errors.ts';
import type { Exchange, ExchangeSink } from './answers.ts';
import { GatheredBytes } from './bytes.ts';
import type { Connection } from './connection.ts';
import type { FastCgiRequest } from './request.ts';
import { type CgiHead, CgiParser } from './response.ts';

export interface ResponseLimits {
  /** CGI header block. php-fpm itself has no limit. */
  readonly headMaxBytes: number;
  readonly bodyMaxBytes: number;
  /** STDERR past this is read and dropped: a script's warnings must not fail its call. */
  readonly stderrMaxBytes: number;
}

export interface CgiResponse extends CgiHead {
  readonly body: Buffer;
  /** PHP's error log of this request, cut at `stderrMaxBytes`. */
  readonly stderr: string;
  /** All that was sent, dropped bytes included. */
  readonly stderrBytes: number;
}

export interface Collected {
  readonly exchange: Exchange;
  /** Rejects with a GatewayError; `response-too-large` past `bodyMaxBytes`, which also ends the connection. */
  readonly response: Promise<CgiResponse>;
}

/**
 * A request that PHP ended without a byte of output, not even headers: 8.2.32 does so when recursion has used up all
 * memory. It is answered, and STDERR says why.
 */
const NO_OUTPUT: CgiHead = { status: 500, headers: [] };

class Collector implements ExchangeSink {
  readonly #limits: ResponseLimits;
  readonly #cgi: CgiParser;
  #head: CgiHead | undefined;
  readonly #body = new GatheredBytes();
  readonly #stderr = new GatheredBytes();
  #stderrBytes = 0;
  #stdoutBytes = 0;

  constructor(limits: ResponseLimits) {
    this.#limits = limits;
    this.#cgi = new CgiParser(limits.headMaxBytes, {
      head: (head) => {
        this.#head = head;
      },
      body: (piece) => this.#keepBody(piece),
    });
  }

  stdout(piece: Buffer): void {
    this.#stdoutBytes += piece.length;
    this.#cgi.push(piece);
  }

  stderr(piece: Buffer): void {
    const room = this.#limits.stderrMaxBytes - this.#stderr.length;
    if (room > 0) this.#stderr.append(piece.subarray(0, room));
    this.#stderrBytes += piece.length;
  }

  result(): CgiResponse {
    if (this.#head === undefined && this.#stdoutBytes > 0) {
      const detail = 'The CGI response is malformed: it ended before its headers did.';
      throw new GatewayError('bad-function-response', detail, { executed: 'yes' });
    }
    return {
      ...(this.#head ?? NO_OUTPUT),
      body: this.#body.bytes,
      stderr: this.#stderr.bytes.toString('utf8'),
      stderrBytes: this.#stderrBytes,
    };
  }

  #keepBody(piece: Buffer): void {
    if (this.#body.length + piece.length > this.#limits.bodyMaxBytes) {
      const detail = `The answer has more than ${this.#limits.bodyMaxBytes} bytes.`;
      throw new GatewayError('response-too-large', detail, { executed: 'yes' });
    }
    this.#body.append(piece);
  }
}

/** Sends one request and keeps its whole answer. */
export const collect = (connection: Connection, request: FastCgiRequest, limits: ResponseLimits): Collected => {
  const collector = new Collector(limits);
  const exchange = connection.send(request, collector);
  return { exchange, response: exchange.done.then(() => collector.result()) };
};
