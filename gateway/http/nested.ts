/**
 * Calls that concurrent workers make inside of their calls: the same rules and answers as over the internal socket,
 * without its cost.
 */
import type { Settings } from '../config.ts';
import { GatewayError, toGatewayError } from '../errors.ts';
import type { ConcurrentPeer, NestedCall } from '../fastcgi/index.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import type { BatchHandler } from './batch.ts';
import { BatchBody } from './batch-body.ts';
import { plainBatchPath, plainCallPath } from './call-path.ts';
import type { FunctionsHandler } from './functions.ts';
import { flatHeaders, type HttpAnswer } from './http-answer.ts';
import { readStreamBody, readToEnd, writeNestedAnswer } from './nested-answer.ts';
import { type NestedHead, NestedRequest, readNestedHead } from './nested-request.ts';
import { problemAnswer } from './problem.ts';
import { assertRequest } from './request-rules.ts';
import { StreamBody } from './stream-body.ts';

export interface NestedParts {
  readonly functions: ReadonlyMap<string, GatewayFunction>;
  readonly settings: Settings;
  readonly calls: FunctionsHandler;
  readonly batches: BatchHandler;
  /** For all that is not plain a call or a batch. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
}

const CONTEXT = { callId: undefined, traceId: undefined, expose: false };

const unread = (): GatewayError =>
  new GatewayError(
    'slow-reader',
    'The worker takes too little of the answers that wait for it already: let it wait for some of its calls before it makes more, or ask for shorter answers.',
    { executed: 'yes' },
  );

/** Throws `bad-request`, for what the router would not see any more. */
const requestOf = ({ target, byName, body }: NestedHead, signal: AbortSignal): Request => {
  assertRequest({ target, headers: flatHeaders(byName), hostRequired: false }, []);
  return new Request(`http://localhost${target}`, { method: 'POST', headers: { ...byName }, body, signal });
};

/** Known to the pools, which are made before what answers: no call comes until the first one runs. */
export class NestedEntry implements ConcurrentPeer {
  readonly messageMaxBytes: number;
  #handle: ((call: NestedCall) => void) | undefined;

  constructor({ http, limits }: Settings) {
    this.messageMaxBytes = http.headersMaxBytes + limits.bodyMaxBytes + limits.uploadMaxBytes;
  }

  open(handle: (call: NestedCall) => void): void {
    this.#handle = handle;
  }

  readonly onCall = (call: NestedCall): void => {
    if (this.#handle === undefined)
      fail(call, new GatewayError('pool-unavailable', 'The gateway is still starting.', { executed: 'no' }));
    else this.#handle(call);
  };
}

const fail = (call: NestedCall, thrown: unknown): void => {
  writeNestedAnswer(call, problemAnswer(toGatewayError(thrown), CONTEXT, {}));
};

export class NestedHandler {
  readonly #parts: NestedParts;

  constructor(parts: NestedParts) {
    this.#parts = parts;
  }

  /** Never throws. */
  handle(call: NestedCall): void {
    const { settings, functions, calls } = this.#parts;
    try {
      if (call.refused !== undefined) throw call.refused;
      const head = readNestedHead(call.takeMessage(), settings.http.headersMaxBytes);
      const path = plainCallPath(head.target, functions);
      const answering =
        path === undefined ? this.#other(call, head) : calls.handle(new NestedRequest(call, head, path));
      void answering.then(
        (answer) => this.#give(call, answer),
        (thrown: unknown) => fail(call, thrown),
      );
    } catch (thrown) {
      fail(call, thrown);
    }
  }

  /** A batch, an unknown function, or a path that only the router understands. */
  async #other(call: NestedCall, head: NestedHead): Promise<HttpAnswer> {
    const { functions, settings, batches, fetch } = this.#parts;
    const path = plainBatchPath(head.target, functions);
    if (path !== undefined) {
      const { answer } = await batches.handle(new NestedRequest(call, head, path), path.ofFunction);
      return answer;
    }
    const left = new AbortController();
    call.whenLeft({ callerLeft: () => left.abort() });
    const { status, headers, body } = await fetch(requestOf(head, left.signal));
    const { responseMaxBytes: maxBytes } = settings.limits;
    const bytes = body === null ? null : await readToEnd(body, call, { maxBytes, stopsIt: false });
    return { status, headers: [...headers].flat(), body: bytes };
  }

  #give(call: NestedCall, { status, headers, body }: HttpAnswer): void {
    if (body instanceof StreamBody || body instanceof BatchBody) void this.#giveStream(call, body, { status, headers });
    else if (!writeNestedAnswer(call, { status, headers, body })) fail(call, unread());
  }

  async #giveStream(
    call: NestedCall,
    body: StreamBody | BatchBody,
    head: Pick<HttpAnswer, 'status' | 'headers'>,
  ): Promise<void> {
    try {
      const { responseMaxBytes } = this.#parts.settings.limits;
      this.#give(call, { ...head, body: await readStreamBody(body, call, responseMaxBytes) });
    } catch (thrown) {
      fail(call, thrown);
    }
  }
}
