/** A whole CGI response in memory, within limits: what every answer is that is not streamed. */
import { GatewayError } from '../errors.ts';
import { GatheredBytes } from './bytes.ts';
import type { Connection } from './connection.ts';
import type { Exchange, ExchangeSink } from './due.ts';
import type { FastCgiRequest } from './request.ts';
import { type CgiHead, CgiParser, type CgiSink, missingHead } from './response.ts';
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

/** Shorter answers come in one read or two. */
const EXPECT_MIN_BYTES = 65_536;

class Collector implements ExchangeSink, CgiSink {
  readonly #limits: ResponseLimits;
  readonly #cgi: CgiParser;
  readonly #body = new GatheredBytes();
  readonly #settlers: PromiseWithResolvers<CgiResponse>;
  readonly #over: Over | undefined;
  #head: CgiHead | undefined;
  #stderr: StderrKeeper | undefined;
  #stdoutBytes = 0;

  constructor(limits: ResponseLimits, settlers: PromiseWithResolvers<CgiResponse>, over: Over | undefined) {
    this.#limits = limits;
    this.#settlers = settlers;
    this.#over = over;
    this.#cgi = new CgiParser(limits.headMaxBytes, this);
  }

  stdout(piece: Buffer): void {
    this.#stdoutBytes += piece.length;
    this.#cgi.push(piece);
  }

  stderr(piece: Buffer): void {
    this.#stderr ??= new StderrKeeper(this.#limits.stderrMaxBytes);
    this.#stderr.append(piece);
  }

  over(error: GatewayError | undefined): void {
    this.#over?.(error, this.#body);
    if (error !== undefined) {
      this.#settlers.reject(error);
      return;
    }
    try {
      this.#settlers.resolve(this.#result());
    } catch (thrown) {
      this.#settlers.reject(thrown);
    }
  }

  head(head: CgiHead): void {
    this.#head = head;
    const length = head.headers.find(([name]) => name === 'content-length')?.[1];
    // What it says is a guess that more or fewer bytes do not disprove.
    if (length === undefined || !(Number(length) >= EXPECT_MIN_BYTES)) return;
    this.#body.expect(Math.min(Number(length), this.#limits.bodyMaxBytes));
  }

  body(piece: Buffer): void {
    if (this.#body.length + piece.length > this.#limits.bodyMaxBytes) {
      const detail = `The answer has more than ${this.#limits.bodyMaxBytes} bytes.`;
      throw new GatewayError('response-too-large', detail, { executed: 'yes' });
    }
    this.#body.append(piece);
  }

  #result(): CgiResponse {
    const { status, headers } = this.#head ?? missingHead(this.#stdoutBytes);
    const stderr = this.#stderr;
    return {
      status,
      headers,
      body: this.#body.bytes,
      stderr: stderr?.text ?? '',
      stderrBytes: stderr?.bytes ?? 0,
      stderrIsCut: stderr?.isCut ?? false,
    };
  }
}

/**
 * Told before the response settles, when the worker has no more to do with the request. `body`: of an answer that is taken
 * whole, for those whose reader has given up.
 */
export type Over = (error: GatewayError | undefined, body?: Pick<GatheredBytes, 'bytes'>) => void;

/** Sends one request and keeps its whole answer. */
export const collect = (
  connection: Connection,
  request: FastCgiRequest,
  limits: ResponseLimits,
  over?: Over,
): Reception<CgiResponse> => {
  const settlers = Promise.withResolvers<CgiResponse>();
  const exchange = connection.send(request, new Collector(limits, settlers, over));
  return { exchange, response: settlers.promise, abandon: settlers.reject };
};
