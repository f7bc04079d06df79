/** What became of one item, as JSON text. Pure. */
import type { GatewayError } from '../errors.ts';
import type { EndedItem } from '../invoke/item-call.ts';
import { isReplayedError } from '../invoke/stored-answer.ts';
import type { CallTrace } from '../trace/call-trace.ts';
import { round } from '../trace/clock.ts';
import { problemBody } from './problem.ts';

export interface ResultContext {
  /** Of the batch. */
  readonly traceId: string;
  /** Tell what PHP said. */
  readonly expose: boolean;
}

const timing = (trace: CallTrace): string => {
  const { queue = 0, php = 0 } = trace.phases;
  return `{"queueMs":${round(queue)},"phpMs":${round(php)},"totalMs":${round(trace.endMs - trace.startMs)}}`;
};

const problem = (error: GatewayError, { traceId, expose }: ResultContext, trace: CallTrace | undefined): string =>
  JSON.stringify(problemBody(error, { callId: trace?.callId, traceId: trace?.traceId ?? traceId, expose }));

const isReplayed = (ended: EndedItem): boolean =>
  ended.status === 'succeeded' ? ended.replayed : isReplayedError(ended.error);

export const resultText = (ended: EndedItem, context: ResultContext): string => {
  const { item, trace, status } = ended;
  const head = `{"id":${JSON.stringify(item.id)},"index":${item.index},"status":"${status}",`;
  const came =
    ended.status === 'succeeded'
      ? `"output":${ended.json},${ended.isBinary ? '"encoding":"base64",' : ''}"executed":"yes"`
      : `"error":${problem(ended.error, context, trace)},"executed":"${ended.error.executed}"`;
  const replayed = isReplayed(ended) ? ',"replayed":true' : '';
  if (trace === undefined) return `${head}${came},"attempts":0,"timing":null,"spanId":null}`;
  const own = trace.traceId === context.traceId ? '' : `,"traceId":"${trace.traceId}"`;
  const { attempts, spanId } = trace;
  return `${head}${came}${replayed},"attempts":${attempts},"timing":${timing(trace)},"spanId":"${spanId}"${own}}`;
};

/** `index` undefined: not of an item, but of the batch itself. */
export const malformedText = (
  { id, index, error }: { id: string | undefined; index: number | undefined; error: GatewayError },
  context: ResultContext,
): string =>
  `{"id":${id === undefined ? 'null' : JSON.stringify(id)},"index":${index ?? null},"status":"failed",` +
  `"error":${problem(error, context, undefined)},"executed":"${error.executed}","attempts":0,"timing":null,"spanId":null}`;
