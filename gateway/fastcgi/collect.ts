/** A whole CGI response in memory, within limits: what every answer is that is not streamed. */
import { GatewayError } from '../errors.ts';
import type { Connection, Exchange, ExchangeSink } from './connection.ts';
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

class Collector implements ExchangeSink {
  readonly #limits: ResponseLimits;
  readonly #cgi: CgiParser;
  #head: CgiHead | undefined;
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;
  readonly #stderr: Buffer[] = [];
  #stderrBytes = 0;

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
    this.#cgi.push(piece);
  }

  stderr(piece: Buffer): void {
    const room = this.#limits.stderrMaxBytes - this.#stderrBytes;
    if (room > 0) this.#stderr.push(Buffer.from(piece.subarray(0, room)));
    this.#stderrBytes += piece.length;
  }

  result(): CgiResponse {
    if (this.#head === undefined) {
      const detail = 'The CGI response is malformed: it ended before its headers did.';
      throw new GatewayError('bad-function-response', detail, { executed: 'yes' });
    }
    return {
      ...this.#head,
      body: this.#body.length === 1 && this.#body[0] ? this.#body[0] : Buffer.concat(this.#body),
      stderr: Buffer.concat(this.#stderr).toString('utf8'),
      stderrBytes: this.#stderrBytes,
    };
  }

  #keepBody(piece: Buffer): void {
    this.#bodyBytes += piece.length;
    if (this.#bodyBytes > this.#limits.bodyMaxBytes) {
      const detail = `The answer has more than ${this.#limits.bodyMaxBytes} bytes.`;
      throw new GatewayError('response-too-large', detail, { executed: 'yes' });
    }
    // Pieces are views of the connection's one read buffer.
    this.#body.push(Buffer.from(piece));
  }
}

/** Sends one request and keeps its whole answer. */
export const collect = (connection: Connection, request: FastCgiRequest, limits: ResponseLimits): Collected => {
  const collector = new Collector(limits);
  const exchange = connection.send(request, collector);
  return { exchange, response: exchange.done.then(() => collector.result()) };
};
