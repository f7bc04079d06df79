/** Which functions a call stands inside of: read from a nested request, handed on to PHP, bounded in depth. Pure. */
import { GatewayError } from '../errors.ts';
import { FUNCTION_NAME } from './registry.ts';

export interface Ancestry {
  /** Of the call whose PHP made this one. */
  readonly callId: string;
  /** The functions outside of it, the outermost first; the last one made the call. */
  readonly path: readonly string[];
  /** That call holds its worker until this one has ended: not so where it sent the request and went on. */
  readonly awaited: boolean;
}

export const CALLER_HEADER = 'fpm-gateway-caller';

const CALL_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** As much as limits.callDepthMax may be: a longer one is no path of ours, and no text to keep. */
const PATH_MAX = 32;

/** `<call id> <function>,<function>…`. Throws `bad-request`. */
export const parseCaller = (text: string, awaited: boolean): Ancestry => {
  const [callId = '', names = '', ...more] = text.split(' ');
  const path = names.split(',', PATH_MAX + 1);
  if (more.length === 0 && CALL_ID.test(callId) && path.length <= PATH_MAX && path.every(isName))
    return { callId, path, awaited };
  const shown = JSON.stringify(text.slice(0, 200));
  const form = 'the id of the calling call, a space, and its functions from the outermost on, joined by commas';
  throw new GatewayError('bad-request', `${CALLER_HEADER} is ${shown}: it must be ${form}.`);
};

const isName = (name: string): boolean => FUNCTION_NAME.test(name);

/** The functions around a call and its own, as traces show it and a nested request of it says it. */
export const pathWith = (outer: readonly string[], name: string): string => [...outer, name].join(',');

/** A function that calls itself without end would take all workers there are. Throws `call-depth-exceeded`. */
export const assertDepth = (outer: readonly string[], name: string, depthMax: number): void => {
  const path = [...outer, name];
  if (path.length <= depthMax) return;
  const cycle = cycleOf(path);
  const named = cycle === undefined ? 'No function repeats.' : `The cycle: ${cycle.join(' → ')}.`;
  const detail = `${path.join(' → ')} is ${path.length} functions deep; limits.callDepthMax is ${depthMax}. ${named}`;
  throw new GatewayError('call-depth-exceeded', detail);
};

/** From a function to where it comes again, the shortest way; undefined: none does. */
const cycleOf = (path: readonly string[]): readonly string[] | undefined => {
  const cycles = path.flatMap((name, at) => {
    const again = path.indexOf(name, at + 1);
    return again === -1 ? [] : [path.slice(at, again + 1)];
  });
  return cycles.sort((a, b) => a.length - b.length)[0];
};
