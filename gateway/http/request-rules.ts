/**
 * What a request must be before anything looks at its meaning. Pure. Node's parser refuses broken framing itself;
 * these are the rest: ambiguous hosts, header names that would collide in PHP, verbs, types, codings.
 */
import type { Content } from '../contract.ts';
import { GatewayError } from '../errors.ts';

export interface RequestHead {
  /** What the request line names: a path, or a whole URL. */
  readonly target: string;
  /** Name, value, name, value … as received, repeated ones apart. */
  readonly headers: readonly string[];
  /** HTTP/1.0 has no Host header, nor has a request made in process. */
  readonly hostRequired: boolean;
}

const SAFE_NAME = /^[A-Za-z0-9-]+$/;

const quote = (text: string): string => JSON.stringify(text.slice(0, 100));

const assertName = (name: string): void => {
  if (name.length === 5 && name.toLowerCase() === 'proxy') {
    throw new GatewayError(
      'bad-request',
      'The header Proxy is refused: CGI programs would take it for HTTP_PROXY (httpoxy).',
    );
  }
  // X_Foo and X-Foo are the same variable in PHP; one could overwrite the other.
  if (!SAFE_NAME.test(name)) {
    throw new GatewayError(
      'bad-request',
      `The header name ${quote(name)} is refused: only letters, digits and - are taken.`,
    );
  }
};

/** Node takes `gzip, chunked` and hands the body on as it is: still compressed, though nobody said so. */
const assertFraming = (coding: string): void => {
  if (coding.trim().toLowerCase() === 'chunked') return;
  throw new GatewayError('bad-request', `The Transfer-Encoding ${quote(coding)} is not taken: only chunked is.`);
};

const hostName = (host: string): string => host.toLowerCase().replace(/:\d+$/, '');

const assertHost = (
  { target, hostRequired }: RequestHead,
  sentHost: string | undefined,
  allowedHosts: readonly string[],
): void => {
  // `POST http://other/functions/x` would be routed by one name and checked by the other.
  const named = target.startsWith('/') ? undefined : /^https?:\/\/([^/?#]*)/i.exec(target)?.[1];
  const host = sentHost ?? (hostRequired ? undefined : named);
  if (host === undefined || host === '') {
    if (hostRequired || allowedHosts.length > 0) throw new GatewayError('bad-host', 'The Host header is missing.');
    return;
  }
  if (named !== undefined && named.toLowerCase() !== host.toLowerCase()) {
    const detail = `The request target names the host ${quote(named)}, the Host header ${quote(host)}.`;
    throw new GatewayError('bad-host', detail);
  }
  if (allowedHosts.length === 0 || allowedHosts.some((allowed) => allowed.toLowerCase() === hostName(host))) return;
  throw new GatewayError('misdirected-request', `The host ${quote(host)} is not served here.`);
};

const DOT_SEGMENT = /^[^?#]*[/\\](?:\.|%2e){1,2}(?:[/\\?#]|$)/i;

/**
 * URLs are tidied up before they are routed: a proxy in front that guards `/functions/shop/admin/` by its path would
 * not see where `/functions/shop/x/../admin/` leads. Backslashes are slashes there.
 */
const assertPath = (target: string): void => {
  if (!DOT_SEGMENT.test(target)) return;
  const [path = ''] = target.split(/[?#]/, 1);
  const detail = `The path ${quote(path)} is refused: it has the segment . or .., plain or encoded.`;
  throw new GatewayError('bad-request', detail);
};

/** For every route. Throws `bad-request`, `bad-host` or `misdirected-request`. */
export const assertRequest = (head: RequestHead, allowedHosts: readonly string[]): void => {
  const { target, headers } = head;
  let hosts = 0;
  let host: string | undefined;
  // One walk: this is done for every call.
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? '';
    const value = headers[at + 1] ?? '';
    assertName(name);
    if (name.length === 4 && name.toLowerCase() === 'host') {
      hosts += 1;
      host ??= value;
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') assertFraming(value);
  }
  assertPath(target);
  if (hosts > 1) throw new GatewayError('bad-host', `There are ${hosts} Host headers; send one.`);
  assertHost(head, host, allowedHosts);
};

export const assertMethod = (method: string, allowed: readonly string[]): void => {
  if (allowed.includes(method)) return;
  const allow = allowed.join(', ');
  throw new GatewayError('method-not-allowed', `${quote(method)} is not offered here; ${allow} is.`, {
    headers: { allow },
  });
};

export interface OriginHead {
  readonly method: string;
  /** Undefined where the request has none of this name. */
  header(name: 'sec-fetch-site' | 'origin' | 'host'): string | undefined;
}

/** Whether the page at `origin` was served under this Host. */
const isOwnOrigin = (origin: string, host: string | undefined): boolean => {
  // Behind a proxy that ends TLS the schemes differ; a default port may be written or not.
  const [, scheme, authority = ''] = /^(https?):\/\/(.+)$/i.exec(origin) ?? [];
  const usualPort = scheme?.toLowerCase() === 'https' ? /:443$/ : /:80$/;
  const plain = (text: string): string => text.toLowerCase().replace(usualPort, '');
  return scheme !== undefined && host !== undefined && plain(authority) === plain(host);
};

/**
 * Browsers send forms and files anywhere without asking, with what the user may do there; only JSON asks first.
 * Throws `forbidden-origin` for a page of another origin that is not allowed.
 */
export const assertOrigin = (head: OriginHead, content: Content | 'none', allowedOrigins: readonly string[]): void => {
  if (content === 'json' || ['GET', 'HEAD', 'OPTIONS'].includes(head.method)) return;
  const origin = head.header('origin');
  const site = head.header('sec-fetch-site');
  const foreign =
    site === undefined
      ? origin !== undefined && !isOwnOrigin(origin, head.header('host'))
      : site === 'cross-site' || site === 'same-site';
  if (!foreign || allowedOrigins.some((allowed) => allowed.toLowerCase() === origin?.toLowerCase())) return;
  const from = origin === undefined ? 'of another site' : `at ${quote(origin)}`;
  throw new GatewayError('forbidden-origin', `The page ${from} is not in http.allowedOrigins.`);
};

/**
 * Whether an Accept header takes this type. The most specific range that matches decides, so a type with `q=0` is
 * refused beside a wildcard that takes all. A type that is a family (`image/*`) may be met by any member of it.
 */
export const isAcceptable = (accept: string | undefined, mediaType: string): boolean => {
  if (accept === undefined || accept === '*/*' || accept.trim() === '') return true;
  const family = mediaType.slice(0, mediaType.indexOf('/') + 1);
  const specificity = (range: string): number => {
    if (range === mediaType) return 3;
    if (mediaType.endsWith('/*') && range.startsWith(family)) return 3;
    if (range === `${family}*`) return 2;
    return range === '*/*' ? 1 : 0;
  };
  let best = { specificity: 0, refused: true };
  for (const part of accept.toLowerCase().split(',')) {
    const [range = '', ...parameters] = part.split(';').map((piece) => piece.trim());
    const refused = parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
    const found = specificity(range);
    if (found > best.specificity || (found === best.specificity && !refused)) best = { specificity: found, refused };
  }
  return best.specificity > 0 && !best.refused;
};

/** Whether an Accept header names this very type, not just a range that holds it. */
export const namesType = (accept: string | undefined, mediaType: string): boolean =>
  isAcceptable(accept, mediaType) &&
  (accept ?? '').split(',').some((part) => part.split(';')[0]?.trim().toLowerCase() === mediaType);

export const assertAcceptable = (accept: string | undefined, mediaType: string): void => {
  if (isAcceptable(accept, mediaType)) return;
  throw new GatewayError('not-acceptable', `The answer is ${mediaType}; Accept ${quote(accept ?? '')} excludes it.`);
};

const GRPC_UNITS_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

export interface TimeoutHeaders {
  readonly requestTimeoutMs: string | undefined;
  readonly grpcTimeout: string | undefined;
  readonly prefer: string | undefined;
}

/** How long the caller will wait, ms: the smallest of its hints. Relative, so clocks need not agree. */
export const timeoutHint = ({ requestTimeoutMs, grpcTimeout, prefer }: TimeoutHeaders): number | undefined => {
  if (requestTimeoutMs === undefined && grpcTimeout === undefined && prefer === undefined) return undefined;
  const hints: number[] = [];
  if (requestTimeoutMs !== undefined) {
    if (!/^\d{1,9}$/.test(requestTimeoutMs)) {
      throw new GatewayError(
        'bad-request',
        `X-Request-Timeout-Ms ${quote(requestTimeoutMs)} is no number of milliseconds.`,
      );
    }
    hints.push(Number(requestTimeoutMs));
  }
  if (grpcTimeout !== undefined) {
    const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(grpcTimeout) ?? [];
    if (digits === undefined || unit === undefined) {
      throw new GatewayError(
        'bad-request',
        `grpc-timeout ${quote(grpcTimeout)} is not 1 to 8 digits and a unit of H, M, S, m, u, n.`,
      );
    }
    hints.push(Number(digits) * (GRPC_UNITS_MS[unit] ?? 1));
  }
  const wait = /(?:^|,)\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:$|[,;])/i.exec(prefer ?? '')?.[1];
  if (wait !== undefined) hints.push(Number(wait) * 1000);
  return hints.length === 0 ? undefined : Math.min(...hints);
};

/** The header that said so, for messages. */
export const hintName = ({ requestTimeoutMs, grpcTimeout }: TimeoutHeaders, ms: number): string => {
  if (requestTimeoutMs !== undefined && Number(requestTimeoutMs) === ms) return 'x-request-timeout-ms';
  const unit = GRPC_UNITS_MS[grpcTimeout?.at(-1) ?? ''];
  const isGrpc = unit !== undefined && Number(grpcTimeout?.slice(0, -1)) * unit === ms;
  return isGrpc ? 'grpc-timeout' : 'prefer: wait';
};
