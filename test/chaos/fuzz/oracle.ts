/**
 * What may be accepted of a conversation, decided a second time without a line of the gateway's: FastCGI has no
 * checksum, so what counts is what the bytes say, not what they said before they were changed.
 */
import { Type } from '../../wire/codec.ts';
import type { FuzzCase } from './case.ts';

/** Of each request that the bytes answer to its end: all of its STDOUT. */
export const sentTo = ({ input, mode, requests }: FuzzCase): (string | undefined)[] => {
  const outputs = Array.from({ length: requests }, () => '');
  const ended = new Array<boolean>(requests).fill(false);
  let current = 0;
  for (let at = 0; input.length - at >= 8; ) {
    const [version, type, idHigh = 0, idLow = 0, high = 0, low = 0, padding = 0] = input.subarray(at, at + 8);
    const length = high * 256 + low;
    // The padding of a record says nothing: it may be missing.
    if (version !== 1 || input.length - at - 8 < length) break;
    const id = idHigh * 256 + idLow;
    const request = mode === 'ordered' ? (id === 1 ? current : -1) : id - 1;
    if (request >= 0 && request < requests && !ended[request]) {
      if (type === Type.STDOUT) outputs[request] += input.toString('latin1', at + 8, at + 8 + length);
      if (type === Type.END) {
        ended[request] = true;
        current += 1;
      }
    }
    at += 8 + length + padding;
  }
  return outputs.map((output, at) => (ended[at] ? output : undefined));
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
