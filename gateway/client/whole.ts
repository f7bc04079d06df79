/** A call that answers once: one attempt, alone in its request. */
import { type CallError, clientError } from './call-error.ts';
import type { Deadline } from './deadline.ts';
import type { InputBody } from './input.ts';
import { essenceOf, functionPath, idsOf, post, type Wire } from './request.ts';

export interface Attempt {
  readonly name: string;
  readonly body: InputBody;
  readonly traceparent: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly deadline: Deadline;
}

/** What a call gave, and where to find its trace. */
export interface Answer {
  readonly output: unknown;
  readonly traceId: string | undefined;
  readonly requestId: string | undefined;
}

/** The parts of a request that depend on what the input is. */
export const bodyParts = (body: InputBody): { body: string | FormData | Blob; contentType: string | undefined } => {
  switch (body.kind) {
    case 'json':
      return { body: body.text, contentType: 'application/json' };
    case 'form':
      return { body: body.form, contentType: undefined };
    case 'file':
      return { body: body.file, contentType: body.file.type === '' ? 'application/octet-stream' : body.file.type };
  }
};

/** The success of a whole answer is known before its head is sent. */
const cutOff = (name: string, response: Response, cause: unknown): CallError =>
  clientError('cut-off', name, 'The connection broke within the answer.', {
    ...idsOf(response),
    status: response.status,
    executed: 'yes',
    cause,
  });

/** `bytes` where the contract says `binary()`. */
const OUTPUT_HEADER = 'fpm-gateway-output';

const STREAM_TYPES = new Set(['application/x-ndjson', 'text/event-stream']);

const parse = (name: string, response: Response, text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const facts = { ...idsOf(response), status: response.status, executed: 'yes', cause } as const;
    throw clientError('unreadable-answer', name, 'The answer says it is JSON and is not.', facts);
  }
};

const readOutput = async (name: string, response: Response, deadline: Deadline): Promise<unknown> => {
  try {
    // Of binary() even JSON is bytes, as in a batch.
    const isBytes = response.headers.get(OUTPUT_HEADER) === 'bytes' || essenceOf(response) !== 'application/json';
    if (isBytes) return await response.blob();
    return parse(name, response, await response.text());
  } catch (error) {
    if (error instanceof Error && error.name === 'CallError') throw error;
    throw deadline.failure(name, true)?.with({ executed: 'yes' }) ?? cutOff(name, response, error);
  }
};

export const callAlone = async (wire: Wire, attempt: Attempt): Promise<Answer> => {
  const { name, body, traceparent, idempotencyKey, deadline } = attempt;
  const ids = { traceparent, idempotencyKey };
  const request = { ...bodyParts(body), path: functionPath(name), functionName: name, ...ids, deadline };
  const response = await post(wire, { ...request, accept: '*/*' });
  const { traceId, requestId } = idsOf(response);
  if (STREAM_TYPES.has(essenceOf(response))) {
    await response.body?.cancel();
    const detail = 'The function streams: use client.stream().';
    throw clientError('unreadable-answer', name, detail, { traceId, requestId, status: response.status });
  }
  return { output: await readOutput(name, response, deadline), traceId, requestId };
};
