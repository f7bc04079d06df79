/**
 * What may be accepted of a conversation, decided a second time without a line of the gateway's: FastCGI has no
 * checksum, so what counts is what the bytes say, not what they said before they were changed.
 */
import { Type } from '../../wire/codec.ts';
import type { FuzzCase } from './case.ts';

/** Each of these belongs to a request, and to one that is due. */
const ANSWERING: ReadonlySet<number | undefined> = new Set([Type.STDOUT, Type.STDERR, Type.END]);
/** FCGI_UNKNOWN_ROLE: the last way to refuse a request. */
const REFUSED_MAX = 3;

/**
 * Of each request that the bytes answer to its end: all of its STDOUT. What comes behind the first record that has no
 * place there answers nothing.
 */
export const sentTo = ({ input, mode, requests, pings }: FuzzCase): (string | undefined)[] => {
  const outputs = Array.from({ length: requests }, () => '');
  const begun = new Set<number>();
  const ended = new Set<number>();
  const good = new Set<number>();
  let current = 0;
  let pinged = -1;
  for (let at = 0; input.length - at >= 8; ) {
    const [version, type, idHigh = 0, idLow = 0, high = 0, low = 0, padding = 0] = input.subarray(at, at + 8);
    const content = input.subarray(at + 8, at + 8 + high * 256 + low);
    // The padding of a record says nothing: it may be missing.
    if (version !== 1 || content.length < high * 256 + low) break;
    const id = idHigh * 256 + idLow;
    const request = mode === 'ordered' ? (id === 1 ? current : -1) : id - 1;
    if (ANSWERING.has(type)) {
      const isDue = request >= 0 && request < requests && !ended.has(request);
      if (!isDue || (pings && pinged < request)) break;
      if (type === Type.END) {
        const status = content[4] ?? 0;
        if (content.length !== 8 || status > REFUSED_MAX || (status > 0 && begun.has(request))) break;
        ended.add(request);
        if (status === 0) good.add(request);
        current += 1;
      } else if (content.length > 0) {
        begun.add(request);
        if (type === Type.STDOUT) outputs[request] += content.toString('latin1');
      }
    } else if (type === Type.VALUES) {
      if (!pings || pinged === current || current === requests) break;
      pinged = current;
    } else if (mode !== 'concurrent') break;
    at += 8 + content.length + padding;
  }
  return outputs.map((output, at) => (good.has(at) ? output : undefined));
};

/** A CGI response behind its head; undefined where there is no head. */
export const bodyOf = (output: string): string | undefined => {
  // PHP that ends without a byte is an answer, with status 500.
  if (output === '') return '';
  const head = /^\r?\n|\n\r?\n/.exec(output);
  return head === null ? undefined : output.slice(head.index + head[0].length);
};

/** What is wrong with bodies that were taken as good; undefined: nothing. `accepted`: by request, undefined where refused. */
export const judge = (fuzzed: FuzzCase, accepted: readonly (string | undefined)[]): string | undefined => {
  const sent = sentTo(fuzzed);
  for (const [at, body] of accepted.entries()) {
    if (body === undefined) {
      if (fuzzed.isValid) return `request ${at} was refused, though its answer was whole`;
      continue;
    }
    const output = sent[at];
    if (output === undefined) return `request ${at} was taken as answered, and was not`;
    if (bodyOf(output) !== body) return `request ${at} got what was not sent to it`;
  }
  return undefined;
};
