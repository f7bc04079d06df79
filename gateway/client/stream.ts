/** A function that streams, as its items or bytes. Leaving the loop stops PHP; a stream that is cut off throws. */
import { type CallError, clientError } from './call-error.ts';
import type { Deadline } from './deadline.ts';
import { EventParser, type ServerEvent } from './events.ts';
import { errorOfProblem } from './problem.ts';
import { functionPath, idsOf, post, type Wire } from './request.ts';
import { type Attempt, bodyParts } from './whole.ts';

/** Events tell a whole stream from a cut one, and pauses from silence; bytes have the type of their contract. */
const ACCEPT = 'text/event-stream, */*;q=0.5';

export const openStream = async (wire: Wire, attempt: Attempt): Promise<Response> => {
  const { name, body, traceparent, idempotencyKey, deadline } = attempt;
  const ids = { traceparent, idempotencyKey };
  const request = { ...bodyParts(body), path: functionPath(name), functionName: name, ...ids, deadline };
  return await post(wire, { ...request, accept: ACCEPT });
};

const cutOff = (name: string, response: Response, count: number, cause: unknown): CallError =>
  clientError('cut-off', name, `The stream broke off after ${count} ${count === 1 ? 'piece' : 'pieces'}.`, {
    ...idsOf(response),
    status: response.status,
    executed: count > 0 ? 'yes' : 'unknown',
    cause,
  });

/** Ends the request when its reader leaves, by whatever way. */
async function* piecesOf(response: Response): AsyncGenerator<Uint8Array, void> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (value.length > 0) yield value;
    }
  } finally {
    // Of a body that has ended or failed it does nothing.
    await reader.cancel().catch(() => undefined);
  }
}

const itemOf = (name: string, response: Response, { event, data }: ServerEvent): unknown => {
  const facts = { ...idsOf(response), status: response.status, executed: 'yes' } as const;
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (cause) {
    throw clientError('unreadable-answer', name, 'An item of the stream is no JSON.', { ...facts, cause });
  }
  if (event === 'error') throw errorOfProblem(name, value, idsOf(response));
  return value;
};

async function* itemsOf(name: string, response: Response): AsyncGenerator<unknown, void> {
  const parser = new EventParser();
  let isWhole = false;
  // Read on behind the last event: the answer's own end frees its connection for the next call.
  for await (const piece of piecesOf(response)) {
    for (const event of parser.push(piece)) {
      if (event.event === 'end') isWhole = true;
      else yield itemOf(name, response, event);
    }
  }
  // Only the gateway's own last event is the end: a proxy may end an answer in good form.
  if (!isWhole) throw new Error('The connection ended without the end of the stream.');
}

/** A script that writes events itself names a charset with them, or is a stream of bytes to us. */
const isItems = (response: Response): boolean => response.headers.get('content-type') === 'text/event-stream';

export async function* readStream(name: string, response: Response, deadline: Deadline): AsyncGenerator<unknown, void> {
  let count = 0;
  try {
    for await (const piece of isItems(response) ? itemsOf(name, response) : piecesOf(response)) {
      count += 1;
      yield piece;
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'CallError') throw error;
    const ended = deadline.failure(name, true);
    throw ended?.with(count > 0 ? { executed: 'yes' } : {}) ?? cutOff(name, response, count, error);
  }
}
