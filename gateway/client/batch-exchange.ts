/** One batch, sent and read: each item ends once, whatever happens to the batch. */
import { type BatchLine, type BatchNews, encodeLine, endWithout, type ItemEnd, parseNews } from './batch-wire.ts';
import { type CallError, clientError, isCallError } from './call-error.ts';
import type { Deadline } from './deadline.ts';
import { LineSplitter } from './events.ts';
import type { AnswerIds } from './problem.ts';
import { idsOf, post, type Wire } from './request.ts';

const NDJSON = 'application/x-ndjson';

export interface BatchRequest {
  readonly lines: readonly BatchLine[];
  /** `concurrency=4&stopOnError=true` */
  readonly query: string;
  readonly traceparent: string | undefined;
  readonly deadline: Deadline;
  /** Each item exactly once, as it ends; nothing more after `runBatch` has resolved. */
  readonly onEnd: (index: number, end: ItemEnd) => void;
}

/** Undefined when the answer came to its end. */
const readNews = async (
  response: Response,
  names: readonly string[],
  onNews: (news: BatchNews) => void,
): Promise<unknown> => {
  const lines = new LineSplitter();
  const ids: AnswerIds = idsOf(response);
  const take = (text: string): void => {
    const news = text.trim() === '' ? undefined : parseNews(text, names, ids);
    if (news !== undefined) onNews(news);
  };
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done || value === undefined) break;
      lines.push(value).forEach(take);
    }
    take(lines.end());
    return undefined;
  } catch (error) {
    await reader?.cancel().catch(() => undefined);
    return error;
  }
};

/** Why items have no result: the gateway broke the batch off and they did not run, or its answer was cut. */
const reasonOf = (broken: CallError | undefined, cause: unknown, { deadline }: BatchRequest, ids: AnswerIds) => {
  // What ran was told before it.
  if (broken !== undefined) return broken.with({ executed: 'no' });
  const ended = deadline.failure('batch', true);
  if (ended !== undefined) return ended;
  if (cause === undefined)
    return clientError('unreadable-answer', 'batch', 'The answer ended without a result for this item.', ids);
  return clientError('cut-off', 'batch', 'The answer broke off before the result of this item.', { ...ids, cause });
};

/** Rejects, with a CallError, only when nothing of the batch was answered: then it may be sent again as it is. */
export const runBatch = async (wire: Wire, request: BatchRequest): Promise<void> => {
  const { lines, query, traceparent, deadline, onEnd } = request;
  const response = await post(wire, {
    path: query === '' ? '/batch' : `/batch?${query}`,
    functionName: 'batch',
    body: lines.map(encodeLine).join(''),
    contentType: NDJSON,
    accept: NDJSON,
    traceparent,
    deadline,
  });
  const names = lines.map(({ name }) => name);
  const open = new Set(lines.keys());
  let broken: CallError | undefined;
  const cause = await readNews(response, names, (news) => {
    if (news.kind === 'broken-off') broken = news.error;
    else if (open.delete(news.index)) onEnd(news.index, news.end);
  });
  const reason = reasonOf(broken, cause, request, idsOf(response));
  for (const index of open) onEnd(index, endWithout(reason.with({}, names[index])));
};

/** The batch as a whole failed: so did each of its items. */
export const failAll = (thrown: unknown, lines: readonly BatchLine[], onEnd: BatchRequest['onEnd']): void => {
  if (!isCallError(thrown)) throw thrown;
  for (const [index, { name }] of lines.entries()) onEnd(index, endWithout(thrown.with({}, name)));
};
