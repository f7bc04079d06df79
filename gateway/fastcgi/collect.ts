/** A whole CGI response in memory, within limits: what every answer is that is not streamed. */
import { GatewayError } from '../errors.ts';
import type { Exchange, ExchangeSink } from './answers.ts';
import { GatheredBytes } from './bytes.ts';
import type { Connection } from './connection.ts';
import type { FastCgiRequest } from './request.ts';
import { type CgiHead, CgiParser, missingHead } from './response.ts';
import { StderrKeeper } from './stderr.ts';

export interface ResponseLimits {
  /** CGI header block. php-fpm itself has no limit. */
  readonly headMaxBytes: number;
  readonly bodyMaxBytes: number;
  /** Of STDERR past this only the end is kept: a script's warnings must not fail its call. */
  readonly stderrMaxBytes: number;
}

export interface CgiResponse extends CgiHead {
  readonly body: Buffer;
  /** PHP's error log of this request, its middle left out past `stderrMaxBytes`. */
  readonly stderr: string;
  /** All that was sent, dropped bytes included. */
  readonly stderrBytes: number;
  /** Something of it was dropped. */
  readonly stderrIsCut: boolean;
}

/** An answer on its way to one who waits for it. */
export interface Reception<T> {
  readonly exchange: Exchange;
  /** Rejects with a GatewayError; `response-too-large` past a limit, which also ends the connection. */
  readonly response: Promise<T>;
  /** Its reader gives up: the response, or what is left of it, fails with this at once, and what still comes is dropped. */
  abandon(error: GatewayError): void;
}

class Collector implements ExchangeSink {
  readonly #limits: ResponseLimits;
  readonly #cgi: CgiParser;
  #head: CgiHead | undefined;
  readonly #body = new GatheredBytes();
  readonly #stderr: StderrKeeper;
  #stdoutBytes = 0;

  constructor(limits: ResponseLimits) {
    this.#limits = limits;
    this.#stderr = new StderrKeeper(limits.stderrMaxBytes);
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
    this.#stderr.append(piece);
  }

  result(): CgiResponse {
    return {
      ...(this.#head ?? missingHead(this.#stdoutBytes)),
      body: this.#body.bytes,
      stderr: this.#stderr.text,
      stderrBytes: this.#stderr.bytes,
      stderrIsCut: this.#stderr.isCut,
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
export const collect = (
  connection: Connection,
  request: FastCgiRequest,
  limits: ResponseLimits,
): Reception<CgiResponse> => {
  const collector = new Collector(limits);
  const exchange = connection.send(request, collector);
  let abandon: (error: GatewayError) => void = () => {};
  const response = new Promise<CgiResponse>((resolve, reject) => {
    abandon = reject;
    exchange.done.then(() => resolve(collector.result())).catch(reject);
  });
  return { exchange, response, abandon };
};
