/** A fuzzed conversation through the parser and what keeps answers apart, without a socket. */
import { isCode, isGatewayError } from '../../../gateway/errors.ts';
import { Answers } from '../../../gateway/fastcgi/answers.ts';
import type { Exchange, ExchangeSink, Failure } from '../../../gateway/fastcgi/due.ts';
import { type CgiResponse, type Connection, collect, type FastCgiRequest } from '../../../gateway/fastcgi/index.ts';
import { MultiplexedAnswers } from '../../../gateway/fastcgi/multiplexed.ts';
import { NestedCalls } from '../../../gateway/fastcgi/nested-calls.ts';
import type { Progress } from '../../../gateway/fastcgi/progress.ts';
import { type FuzzCase, makeCase } from './case.ts';
import { judge } from './oracle.ts';

export const LIMITS = { headMaxBytes: 1024, bodyMaxBytes: 4096, stderrMaxBytes: 200 };
export const REQUEST: FastCgiRequest = { params: [], body: Buffer.alloc(0), ping: true, keepConnection: true };

/** A failure as callers may see it; anything else is a bug. */
export const assertOurs = (error: unknown): void => {
  if (!isGatewayError(error)) throw new Error(`not a GatewayError: ${String(error)}`, { cause: error });
  if (!isCode(error.code) || error.code === 'internal-error')
    throw new Error(`the code ${error.code}`, { cause: error });
};

type Due = Exchange & { readonly progress: Progress };

interface Peer {
  expect(sink: ExchangeSink): Due;
  push(chunk: Buffer): Failure | undefined;
  end(failure: Failure): void;
}

const orderedPeer = (pings: boolean): Peer => {
  const answers = new Answers('the peer');
  return {
    expect: (sink) => answers.expectRequest(sink, pings),
    push: (chunk) => answers.push(chunk),
    end: (failure) => answers.end(failure, true),
  };
};

const multiplexedPeer = (isConcurrent: boolean): Peer => {
  let gaveUp: Failure | undefined;
  const writer = {
    unsentBytes: 0,
    write: () => {},
    giveUp: (detail: string) => {
      gaveUp ??= { code: 'bad-function-response', detail };
    },
  };
  const nested = isConcurrent ? new NestedCalls({ messageMaxBytes: 1000, onCall: () => {} }, writer) : undefined;
  const answers = new MultiplexedAnswers('the peer', nested);
  return {
    expect: (sink) => answers.expectRequest(sink),
    push: (chunk) => answers.push(chunk) ?? gaveUp,
    end: (failure) => {
      nested?.end();
      answers.end(failure, true, false);
    },
  };
};

/** Bodies that were taken as good; undefined for each request that failed. */
const run = async ({ mode, pings, requests, chunks }: FuzzCase): Promise<(string | undefined)[]> => {
  const peer = mode === 'ordered' ? orderedPeer(pings) : multiplexedPeer(mode === 'concurrent');
  const over = new Array<number>(requests).fill(0);
  // The collector needs no more of a connection than this.
  const connection = {
    keepReceived: () => false,
    send: (_request: FastCgiRequest, sink: ExchangeSink) => {
      const due = peer.expect(sink);
      due.progress.sent = 'complete';
      return due;
    },
  } as unknown as Connection;
  const responses = Array.from({ length: requests }, (_, at) => {
    const { response } = collect(connection, REQUEST, LIMITS, () => {
      over[at] = (over[at] ?? 0) + 1;
    });
    // It may fail before anybody waits for it.
    response.catch(() => {});
    return response;
  });
  let failure: Failure | undefined;
  for (const chunk of chunks) {
    // As from a read buffer that is used again: whoever keeps a view sees other bytes.
    const copy = Buffer.from(chunk);
    failure ??= peer.push(copy);
    copy.fill(0x21);
    if (failure !== undefined) break;
  }
  peer.end(failure ?? { code: 'worker-crashed', detail: 'It ended.' });
  if (over.some((times) => times !== 1))
    throw new Error(`requests were settled ${over.join(', ')} times when the input had ended, not once each`);
  return await Promise.all(responses.map(settled));
};

export const settled = async (response: Promise<CgiResponse>): Promise<string | undefined> => {
  try {
    return (await response).body.toString('latin1');
  } catch (error) {
    assertOurs(error);
    return undefined;
  }
};

export interface Verdict {
  /** What is wrong; undefined: nothing. */
  readonly wrong: string | undefined;
  readonly accepted: number;
  readonly refused: number;
}

export const verdictOf = (fuzzed: FuzzCase, bodies: readonly (string | undefined)[]): Verdict => {
  const accepted = bodies.filter((body) => body !== undefined).length;
  return { wrong: judge(fuzzed, bodies), accepted, refused: bodies.length - accepted };
};

/** Never rejects. */
export const fuzzCore = async (seed: number): Promise<Verdict> => {
  const fuzzed = makeCase(seed);
  try {
    return verdictOf(fuzzed, await run(fuzzed));
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error), accepted: 0, refused: 0 };
  }
};
