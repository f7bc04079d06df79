/** What a request asks of its batch: media types, query and headers → options, or what is wrong with them. Pure. */
import type { Settings } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { isAcceptable, namesType, timeoutHint } from './request-rules.ts';

export type BatchFormat = 'lines' | 'array';

export interface BatchRequest {
  readonly sent: BatchFormat;
  readonly answered: BatchFormat;
  /** `finish`: as each ends. */
  readonly order: 'finish' | 'input';
  readonly concurrency: number;
  readonly stopOnError: boolean;
  readonly timeoutMs: number;
}

/** What the options are read from. */
export interface BatchHead {
  readonly target: string;
  header(name: string): string | undefined;
}

export const LINES_TYPE = 'application/x-ndjson';
const LINES_TYPES = [LINES_TYPE, 'application/ndjson', 'application/jsonl', 'application/x-jsonlines'];
const ARRAY_TYPE = 'application/json';

export const mediaTypeOf = (format: BatchFormat): string => (format === 'lines' ? LINES_TYPE : ARRAY_TYPE);

const quote = (text: string): string => JSON.stringify(text.slice(0, 100));

const bad = (detail: string): GatewayError => new GatewayError('bad-request', detail);

const sentFormat = (head: BatchHead): BatchFormat => {
  const encoding = head.header('content-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new GatewayError('unsupported-encoding', `The Content-Encoding ${quote(encoding)} is not taken.`);
  }
  const contentType = head.header('content-type');
  const type = contentType?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (LINES_TYPES.includes(type)) return 'lines';
  if (type === ARRAY_TYPE) return 'array';
  const what = contentType === undefined ? 'A batch without Content-Type' : `The Content-Type ${quote(contentType)}`;
  throw new GatewayError(
    'unsupported-media-type',
    `${what} is not taken: send ${LINES_TYPE}, one item a line, or ${ARRAY_TYPE}, an array of items.`,
  );
};

const answeredFormat = (head: BatchHead, sent: BatchFormat): BatchFormat => {
  const accept = head.header('accept');
  if (LINES_TYPES.some((type) => namesType(accept, type))) return 'lines';
  if (namesType(accept, ARRAY_TYPE)) return 'array';
  if (isAcceptable(accept, mediaTypeOf(sent))) return sent;
  throw new GatewayError(
    'not-acceptable',
    `A batch answers ${LINES_TYPE} or ${ARRAY_TYPE}; Accept ${quote(accept ?? '')} excludes both.`,
  );
};

const OPTIONS = ['order', 'concurrency', 'stopOnError'];

const queryOf = (target: string): URLSearchParams => {
  const at = target.indexOf('?');
  const query = new URLSearchParams(at === -1 ? '' : target.slice(at + 1));
  const unknown = [...query.keys()].find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw bad(`A batch has no option ${quote(unknown)}; it has ${OPTIONS.join(', ')}.`);
  const twice = OPTIONS.find((name) => query.getAll(name).length > 1);
  if (twice !== undefined) throw bad(`The option ${twice} came twice; send it once.`);
  return query;
};

/** Throws `bad-request`, `unsupported-media-type`, `unsupported-encoding` or `not-acceptable`. */
export const batchRequest = (head: BatchHead, settings: Settings['batch']): BatchRequest => {
  const sent = sentFormat(head);
  const answered = answeredFormat(head, sent);
  const query = queryOf(head.target);
  const order = query.get('order') ?? (sent === 'lines' ? 'finish' : 'input');
  if (order !== 'finish' && order !== 'input') throw bad(`order is ${quote(order)}; give finish or input.`);
  const concurrency = query.get('concurrency') ?? String(Math.min(settings.concurrency, settings.concurrencyMax));
  if (!/^[1-9]\d{0,5}$/.test(concurrency) || Number(concurrency) > settings.concurrencyMax) {
    const range = `a whole number from 1 to ${settings.concurrencyMax} (batch.concurrencyMax)`;
    throw bad(`concurrency is ${quote(concurrency)}; give ${range}.`);
  }
  const stopOnError = query.get('stopOnError') ?? 'false';
  if (stopOnError !== 'true' && stopOnError !== 'false')
    throw bad(`stopOnError is ${quote(stopOnError)}; give true or false.`);
  const hintMs = timeoutHint({
    requestTimeoutMs: head.header('x-request-timeout-ms'),
    grpcTimeout: head.header('grpc-timeout'),
    prefer: head.header('prefer'),
  });
  return {
    sent,
    answered,
    order,
    concurrency: Number(concurrency),
    stopOnError: stopOnError === 'true',
    timeoutMs: Math.min(settings.timeoutMs, hintMs ?? Number.POSITIVE_INFINITY),
  };
};
