/** What PHP sends of a stream → pieces for its reader, each item checked. One decoder for each way of sending. */
import { GatewayError, toGatewayError } from '../errors.ts';
import { GatheredBytes } from '../fastcgi/bytes.ts';
import { decodeEnvelope, type Envelope, type Meta, takeScriptMark } from '../pool/envelope.ts';
import { FrameParser } from '../pool/frames.ts';
import { type AnswerLimits, assertStreamed, type JsonOutput, readJson, readOutput, tooLarge } from './answer.ts';
import type { GatewayFunction, WholeOutput } from './function.ts';
import { assertWhole } from './script-answer.ts';

export interface StreamLimits extends AnswerLimits {
  readonly itemMaxBytes: number;
}

/** What is known when PHP's answer is over. */
export interface StreamEnd {
  readonly status: number;
  readonly stderr: string;
  readonly stderrIsCut: boolean;
  readonly attemptId: string;
}

/** How a stream ended: for its trace, and for its reader. */
export interface Conclusion {
  readonly meta: Meta | undefined;
  readonly stderr: string;
  /** Undefined: as it should. */
  readonly error: GatewayError | undefined;
}

export interface Decoder {
  /** Emits pieces; throws GatewayError for what must not reach the reader. */
  push(bytes: Buffer): void;
  /** PHP's answer is complete: emits what was held back and tells what its end means. */
  conclude(end: StreamEnd): Conclusion;
}

export interface DecoderParts {
  readonly fn: GatewayFunction;
  readonly item: WholeOutput;
  readonly limits: StreamLimits;
  /** Takes a validated item, or bytes. */
  readonly emit: (piece: unknown) => void;
}

const errorOf = (check: () => void): GatewayError | undefined => {
  try {
    check();
    return undefined;
  } catch (thrown) {
    return toGatewayError(thrown);
  }
};

/** A handler's answer: frames, the last of which is its envelope. */
export class FrameDecoder implements Decoder {
  readonly #parts: DecoderParts;
  readonly #parser: FrameParser;
  #envelope: Buffer | undefined;

  constructor(parts: DecoderParts) {
    const { fn, item, limits, emit } = parts;
    this.#parts = parts;
    this.#parser = new FrameParser(limits.itemMaxBytes, {
      item: (json) => {
        if (item.kind !== 'json') throw unexpected(fn, 'an item in a stream of bytes');
        emit(readJson(fn, item, json, limits));
      },
      bytes: (piece) => {
        if (item.kind !== 'binary') throw unexpected(fn, 'bytes in a stream of items');
        emit(piece);
      },
      end: (envelope) => {
        this.#envelope = Buffer.from(envelope);
      },
    });
  }

  push(bytes: Buffer): void {
    this.#parser.push(bytes);
  }

  conclude({ status, stderr, attemptId }: StreamEnd): Conclusion {
    const { fn, limits } = this.#parts;
    const envelope: Envelope =
      this.#envelope === undefined ? { kind: 'none', stray: '' } : decodeEnvelope(this.#envelope, attemptId);
    const meta = envelope.kind === 'envelope' ? envelope.meta : undefined;
    const error = errorOf(() => assertStreamed(fn, { status, stderr }, envelope, limits));
    return { meta, stderr, error };
  }
}

/** A handler that ended before it streamed: one envelope. */
export class EnvelopeDecoder implements Decoder {
  readonly #parts: DecoderParts;
  readonly #body = new GatheredBytes();

  constructor(parts: DecoderParts) {
    this.#parts = parts;
  }

  push(bytes: Buffer): void {
    const { fn, limits } = this.#parts;
    this.#body.append(bytes);
    if (this.#body.length > limits.responseMaxBytes + ENVELOPE_EXTRA_BYTES) throw tooLarge(fn, limits, 'one value');
  }

  conclude({ status, stderr, attemptId }: StreamEnd): Conclusion {
    const { fn, limits } = this.#parts;
    const envelope = decodeEnvelope(this.#body.bytes, attemptId);
    const meta = envelope.kind === 'envelope' ? envelope.meta : undefined;
    // It throws for a good value, too: the contract promises a stream.
    const error = errorOf(() => readOutput(fn, { status, stderr }, envelope, limits));
    return { meta, stderr, error };
  }
}

const ENVELOPE_EXTRA_BYTES = 1_048_576;

const concludeScript = ({ fn }: DecoderParts, end: StreamEnd): Conclusion => {
  const { meta, stderr } = takeScriptMark(end.stderr, end.attemptId);
  return { meta, stderr, error: errorOf(() => assertWhole(fn, { ...end, stderr }, meta)) };
};

/** A script's own bytes, as they are. */
export class BytesDecoder implements Decoder {
  readonly #parts: DecoderParts;

  constructor(parts: DecoderParts) {
    this.#parts = parts;
  }

  push(bytes: Buffer): void {
    this.#parts.emit(bytes);
  }

  conclude(end: StreamEnd): Conclusion {
    return concludeScript(this.#parts, end);
  }
}

const LF = 10;

/** A script's lines, each the JSON of one item; empty ones are ignored. */
export class LinesDecoder implements Decoder {
  readonly #parts: DecoderParts;
  readonly #json: JsonOutput;
  #line = new GatheredBytes();

  constructor(parts: DecoderParts, json: JsonOutput) {
    this.#parts = parts;
    this.#json = json;
  }

  push(bytes: Buffer): void {
    let start = 0;
    for (let lf = bytes.indexOf(LF); lf !== -1; lf = bytes.indexOf(LF, start)) {
      this.#keep(bytes.subarray(start, lf));
      this.#emitLine();
      start = lf + 1;
    }
    if (start < bytes.length) this.#keep(bytes.subarray(start));
  }

  conclude(end: StreamEnd): Conclusion {
    const conclusion = concludeScript(this.#parts, end);
    // The last line of a script that died is a part of one.
    const error = conclusion.error ?? errorOf(() => this.#emitLine());
    return { ...conclusion, error };
  }

  #keep(piece: Buffer): void {
    const { fn, limits } = this.#parts;
    if (this.#line.length + piece.length > limits.itemMaxBytes) {
      const detail = `A line of ${fn.name} has more than ${limits.itemMaxBytes} bytes: limits.itemMaxBytes.`;
      throw new GatewayError('response-too-large', detail);
    }
    if (piece.length > 0) this.#line.append(piece);
  }

  #emitLine(): void {
    const { fn, limits, emit } = this.#parts;
    const line = this.#line.bytes;
    if (this.#line.length > 0) this.#line = new GatheredBytes();
    if (line.length === 0 || line.toString('latin1').trim() === '') return;
    emit(readJson(fn, this.#json, line, limits));
  }
}

const unexpected = (fn: GatewayFunction, what: string): GatewayError =>
  new GatewayError('bad-function-response', `The runtime sent ${what} of ${fn.name}.`, { executed: 'yes' });
