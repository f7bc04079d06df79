/** How a stream is written for a reader: NDJSON, Server-Sent Events, one JSON array, plain text, or its own bytes. Pure. */
import type { WholeOutput } from '../invoke/function.ts';
import { isAcceptable, namesType } from './request-rules.ts';

export interface StreamFormat {
  readonly mediaType: string;
  /** `isFirst`: nothing was sent before. */
  encode(pieces: readonly unknown[], isFirst: boolean): readonly Uint8Array[];
  /** Keeps the connection alive while there is nothing to send; undefined where every byte means something. */
  readonly heartbeat: Uint8Array | undefined;
  /** Behind the last piece of a stream that ended well; `isEmpty`: there was none. */
  readonly end: ((isEmpty: boolean) => Uint8Array) | undefined;
  /** Tells that the stream was cut; undefined where only a broken connection can. */
  readonly failure: ((problem: object) => Uint8Array) | undefined;
}

const text = (value: string): Uint8Array => Buffer.from(value);

const json = (value: unknown): string => JSON.stringify(value) ?? 'null';

/** WHATWG HTML, 9.2. JSON has no line ends, so an item is one line. `end` keeps browsers from connecting again. */
const SSE: StreamFormat = {
  mediaType: 'text/event-stream',
  encode: (items) => [text(items.map((item) => `data: ${json(item)}\n\n`).join(''))],
  heartbeat: text(': still there\n\n'),
  end: () => text('event: end\ndata: {}\n\n'),
  failure: (problem) => text(`event: error\ndata: ${json(problem)}\n\n`),
};

const ndjson = (mediaType: string): StreamFormat => ({
  mediaType,
  encode: (items) => [text(items.map((item) => `${json(item)}\n`).join(''))],
  heartbeat: undefined,
  end: undefined,
  failure: (problem) => text(`${json({ error: problem })}\n`),
});

/** For clients that want one value: a cut array is no JSON, and its connection breaks. */
const ARRAY: StreamFormat = {
  mediaType: 'application/json',
  encode: (items, isFirst) => [text(`${isFirst ? '[' : ','}${items.map(json).join(',')}`)],
  heartbeat: undefined,
  end: (isEmpty) => text(isEmpty ? '[]' : ']'),
  failure: undefined,
};

/** For items that are strings: one after another, nothing in between. */
const TEXT: StreamFormat = {
  mediaType: 'text/plain; charset=utf-8',
  encode: (items) => [text(items.join(''))],
  heartbeat: undefined,
  end: undefined,
  failure: undefined,
};

const bytes = (mediaType: string): StreamFormat => ({
  mediaType,
  encode: (pieces) => pieces as readonly Buffer[],
  heartbeat: undefined,
  end: undefined,
  failure: undefined,
});

const OF_ITEMS = [...['application/x-ndjson', 'application/ndjson', 'application/jsonl'].map(ndjson), SSE, ARRAY];
const OF_TEXTS = [...OF_ITEMS, TEXT];

const formats = (item: WholeOutput): readonly StreamFormat[] => {
  if (item.kind === 'binary') return [bytes(item.mediaType)];
  return item.jsonSchema.type === 'string' ? OF_TEXTS : OF_ITEMS;
};

const essence = ({ mediaType }: StreamFormat): string => mediaType.split(';')[0] ?? '';

/** The types of a stream, the usual one first. */
export const streamTypes = (item: WholeOutput): string[] => formats(item).map(essence);

/** The format the Accept header names, else the usual one if it may be; undefined: none may. */
export const chooseFormat = (item: WholeOutput, accept: string | undefined): StreamFormat | undefined => {
  const all = formats(item);
  return (
    all.find((format) => namesType(accept, essence(format))) ??
    all.find((format) => isAcceptable(accept, essence(format)))
  );
};
