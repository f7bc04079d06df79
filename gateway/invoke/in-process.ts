/** Calls without HTTP: the request a script gets all the same, and the result as the value a program wants. */
import { GatewayError } from '../errors.ts';
import { Upload } from '../upload.ts';
import type { Output } from './answer.ts';
import type { Call } from './call.ts';
import type { GatewayFunction } from './function.ts';
import { scriptUrl } from './function-params.ts';
import type { OutputStream } from './output-stream.ts';
import type { CallInput, FieldTexts, Written } from './written.ts';

/** What a function with a binary output gives, and a script that promises bytes. */
export interface BinaryResult {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

const NO_TEXTS: FieldTexts = { pairs: new Map(), tree: {} };

const hasFiles = (value: unknown): boolean =>
  value instanceof Upload || (Array.isArray(value) && value.some((each) => each instanceof Upload));

/** As a caller over HTTP would send it with the least effort. */
const contentFor = (fn: GatewayFunction, method: string, value: unknown): Written['content'] => {
  if (method === 'GET') return 'none';
  const members = typeof value === 'object' && value !== null ? Object.values(value) : [];
  if (value instanceof Upload || !members.some(hasFiles)) return fn.contents[0] ?? 'none';
  return fn.contents.includes('multipart') ? 'multipart' : 'raw';
};

export const inProcessRequest = (
  fn: GatewayFunction | undefined,
  value: unknown,
  path: string,
): Pick<Call, 'input' | 'script'> => {
  const method = fn?.methods[0] ?? 'POST';
  const content = fn === undefined ? 'none' : contentFor(fn, method, value);
  const input: CallInput = {
    value,
    written: { content, query: NO_TEXTS, body: NO_TEXTS, emptyFiles: [], contentType: undefined },
  };
  if (fn?.code.kind !== 'script') return { input, script: undefined };
  const view = { method, url: scriptUrl(fn.name, path), params: [] };
  return { input, script: { path, view } };
};

/** Throws when a script answered with another status than a good one or a redirect. */
export const resultOf = (name: string, output: Exclude<Output, { kind: 'stream' }>): unknown => {
  const status = output.head?.status ?? 200;
  if (status >= 400) {
    const said = output.kind === 'binary' ? output.bytes.toString('utf8', 0, 1000) : JSON.stringify(output.value);
    throw new GatewayError('function-error', `${name} answered with the status ${status}.`, {
      reason: 'status',
      privateDetail: said,
    });
  }
  if (output.kind === 'json') return output.value;
  return { bytes: output.bytes, mediaType: output.mediaType } satisfies BinaryResult;
};

/** Items, or byte arrays. Leaving the loop stops PHP. */
export async function* readStream(stream: OutputStream): AsyncGenerator<unknown> {
  try {
    for (let pieces = await stream.read(); pieces !== undefined; pieces = await stream.read()) yield* pieces;
  } finally {
    stream.cancel(new GatewayError('client-closed', 'The reader of the stream left.', { executed: 'yes' }));
  }
}
