/** One request to the gateway and the head of its answer: what every call, stream and batch has in common. */
import { type CallError, clientError } from './call-error.ts';
import type { Deadline } from './deadline.ts';
import { networkFailure } from './network-failure.ts';
import { type AnswerIds, errorOfProblem, isProblem } from './problem.ts';
import type { Transport } from './transport.ts';

/** The number of what clients and gateways agree on; each tells it, and other numbers are refused. */
const PROTOCOL = '1';
const PROTOCOL_HEADER = 'fpm-gateway-protocol';

export interface Wire {
  readonly transport: Transport;
  /** Of the user, for every request. */
  readonly headers: () => Readonly<Record<string, string>>;
}

export interface Post {
  readonly path: string;
  /** For errors. */
  readonly functionName: string;
  readonly body: string | FormData | Blob;
  /** Undefined: the body says it itself. */
  readonly contentType: string | undefined;
  readonly accept: string;
  readonly traceparent: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly deadline: Deadline;
}

/** In lower case: `fetch` would join a name in two spellings into one header of both values. */
const lowerCase = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** As the draft writes it: a string of RFC 9651. */
const quoted = (key: string): string => `"${key.replaceAll(/["\\]/g, '\\$&')}"`;

const headersOf = ({ contentType, accept, traceparent, idempotencyKey, deadline }: Post): Record<string, string> => {
  const remainingMs = deadline.remainingMs();
  return {
    accept,
    [PROTOCOL_HEADER]: PROTOCOL,
    ...(contentType === undefined ? {} : { 'content-type': contentType }),
    // The gateway takes no time of 0; one that is up is told by its answer all the same.
    ...(remainingMs === undefined ? {} : { 'x-request-timeout-ms': String(Math.max(1, remainingMs)) }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(idempotencyKey === undefined ? {} : { 'idempotency-key': quoted(idempotencyKey) }),
  };
};

const retryAfterMs = (headers: Headers): number | undefined => {
  const text = headers.get('retry-after');
  return text !== null && /^\d{1,7}$/.test(text) ? Number(text) * 1000 : undefined;
};

export const idsOf = ({ headers }: Response): AnswerIds => ({
  traceId: headers.get('trace-id') ?? undefined,
  requestId: headers.get('request-id') ?? undefined,
  retryAfterMs: retryAfterMs(headers),
});

/** `application/json` of `application/json; charset=utf-8`. */
export const essenceOf = ({ headers }: Response): string =>
  (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

/** A body that is no JSON is undefined, one that breaks off, too: the status has told enough. */
const jsonOf = async (response: Response): Promise<unknown> => {
  try {
    return JSON.parse(await response.text());
  } catch {
    return undefined;
  }
};

/** For bodies nobody reads: a kept connection is free only when its answer was taken or ended. */
const drop = async (response: Response): Promise<void> => {
  await response.body?.cancel().catch(() => undefined);
};

const incompatible = async (response: Response, { functionName }: Post): Promise<CallError> => {
  const { status } = response;
  const said = response.headers.get(PROTOCOL_HEADER);
  const what = said === null ? 'has no fpm-gateway-protocol header' : `speaks protocol ${said}, not ${PROTOCOL}`;
  const detail = `The answer (status ${status}) ${what}: no gateway, or one of another version.`;
  const ids = idsOf(response);
  const problem = essenceOf(response) === 'application/problem+json' ? await jsonOf(response) : await drop(response);
  const cause = isProblem(problem) ? errorOfProblem(functionName, problem, ids) : undefined;
  return clientError('incompatible-gateway', functionName, detail, { ...ids, status, cause });
};

const errorOfAnswer = async (response: Response, post: Post): Promise<CallError> => {
  const { functionName } = post;
  const ids = idsOf(response);
  if (essenceOf(response) === 'application/problem+json')
    return errorOfProblem(functionName, await jsonOf(response), ids);
  const { status, type } = response;
  await drop(response);
  const what = type === 'opaqueredirect' ? 'a redirect' : `status ${status}`;
  return clientError('unexpected-status', functionName, `The script answered ${what}.`, { ...ids, status });
};

/** Resolves to an answer with a status of success; rejects with a CallError. */
export const post = async (wire: Wire, request: Post): Promise<Response> => {
  const { path, functionName, body, deadline } = request;
  const before = deadline.failure(functionName, false);
  if (before !== undefined) throw before;
  const headers = { ...lowerCase(wire.headers()), ...headersOf(request) };
  let response: Response;
  try {
    response = await wire.transport.send(path, { headers, body, signal: deadline.signal });
  } catch (error) {
    throw deadline.failure(functionName, true) ?? networkFailure(functionName, error);
  }
  // Pages cannot look into a redirect; only scripts answer one.
  if (response.type !== 'opaqueredirect' && response.headers.get(PROTOCOL_HEADER) !== PROTOCOL) {
    throw await incompatible(response, request);
  }
  if (response.ok) return response;
  const error = await errorOfAnswer(response, request);
  throw deadline.failure(functionName, true) ?? error;
};

/** A name is never to lead elsewhere: URLs swallow `..` before anything is sent. */
export const functionPath = (name: string): string => {
  const parts = name.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..'))
    throw clientError('unsendable-input', name, `${JSON.stringify(name)} is no name of a function.`);
  return `/functions/${parts.map(encodeURIComponent).join('/')}`;
};
