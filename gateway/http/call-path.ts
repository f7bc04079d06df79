/** Which function and which of its scripts a path names. */
import { GatewayError } from '../errors.ts';
import type { GatewayFunction } from '../invoke/function.ts';
import { copyOf } from '../trace/text.ts';
import type { CallRequest } from './call-request.ts';

export interface CallPath {
  /** Without the query. */
  readonly path: string;
  readonly functionName: string;
  readonly script: string;
}

const PREFIX = '/functions/';
/** What is the same however it is decoded. */
const PLAIN = /^[\w./~-]*$/;

/**
 * For a request target that names a function the plain way, as nearly all do. Undefined for anything else, also where it
 * may mean one: the router decides.
 */
export const plainCallPath = (
  target: string,
  functions: ReadonlyMap<string, GatewayFunction>,
): CallPath | undefined => {
  if (!target.startsWith(PREFIX)) return undefined;
  const query = target.indexOf('?');
  // Traces keep it: without a copy, and with it the whole query.
  const path = query === -1 ? target : copyOf(target.slice(0, query));
  const slash = path.indexOf('/', PREFIX.length);
  const functionName = slash === -1 ? path.slice(PREFIX.length) : path.slice(PREFIX.length, slash);
  const script = slash === -1 ? '' : path.slice(slash + 1);
  const fn = functions.get(functionName);
  if (fn === undefined || !hasScript(fn, script)) return undefined;
  // `/functions/echo/` is another page than `/functions/echo`.
  if (slash !== -1 && (script === '' || !PLAIN.test(script))) return undefined;
  return { path, functionName, script };
};

const BATCH_PATH = /^(?:\/functions\/([\w.-]+))?\/batch(?:\?|$)/;

/** For a request target that names a batch, the plain way only; `ofFunction` undefined: each item names its own. */
export const plainBatchPath = (
  target: string,
  functions: ReadonlyMap<string, GatewayFunction>,
): (CallPath & { readonly ofFunction: string | undefined }) | undefined => {
  if (!target.includes('/batch')) return undefined;
  const found = BATCH_PATH.exec(target);
  if (found === null) return undefined;
  const fn = found[1] === undefined ? undefined : functions.get(found[1]);
  if (found[1] !== undefined && fn === undefined) return undefined;
  const path = copyOf(target.split('?', 1)[0] ?? '');
  return { path, functionName: fn?.name ?? '', script: '', ofFunction: fn?.name };
};

const hasScript = ({ code }: GatewayFunction, script: string): boolean =>
  code.kind === 'script' ? code.files.has(script) : script === '';

/** Whether the function answers at the path of this request. */
export const isPathOf = ({ script, path }: Pick<CallRequest, 'script' | 'path'>, fn: GatewayFunction): boolean =>
  // An encoded slash is no slash (RFC 3986, 2.2): a proxy that guards a folder by its path would not see it.
  hasScript(fn, script) && !/%2f/i.test(path);

const LISTED_SCRIPTS_MAX = 5;

export const unknownPath = (path: string, { name, code }: GatewayFunction): GatewayError => {
  const scripts = code.kind === 'script' ? [...code.files.keys()].filter((script) => script !== '') : [];
  if (scripts.length === 0) {
    const detail = `There is nothing at ${JSON.stringify(path.slice(0, 200))}; GET /functions lists what there is.`;
    return new GatewayError('not-found', detail);
  }
  // As sent: decoded, an encoded slash would look right.
  const asked = path.split('/').slice(3).join('/');
  const lacking =
    asked === '' ? `${name} itself is no script` : `${name} has no script ${JSON.stringify(asked.slice(0, 200))}`;
  return new GatewayError('not-found', `${lacking}; it has ${fewOf(scripts)}.`);
};

/** `a.php, b.php and 3 more` */
const fewOf = (scripts: readonly string[]): string => {
  const more = scripts.length - LISTED_SCRIPTS_MAX;
  return `${scripts.slice(0, LISTED_SCRIPTS_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};

export const unknownFunction = (name: string): GatewayError =>
  new GatewayError(
    'not-found',
    `There is no function named ${JSON.stringify(name.slice(0, 128))}; GET /functions lists them.`,
  );
