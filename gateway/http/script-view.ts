/** What a script sees of an HTTP request besides its input: CGI variables of names we chose (RFC 3875). */
import type { GatewayFunction } from '../invoke/function.ts';
import type { RequestView } from '../invoke/script-request.ts';
import type { Param } from '../pool/runtime.ts';
import type { CallRequest } from './call-request.ts';

/** What browsers and clients usually send and scripts usually ask for. */
const USUAL = [
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'authorization',
  'cache-control',
  'cookie',
  'dnt',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-event-id',
  'origin',
  'pragma',
  'range',
  'referer',
  'sec-fetch-dest',
  'sec-fetch-mode',
  'sec-fetch-site',
  'sec-fetch-user',
  'user-agent',
  'x-csrf-token',
  'x-requested-with',
  'x-xsrf-token',
] as const;

/** Statements about the caller, which only a proxy of ours may make. */
const OF_PROXIES = [
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
] as const;

/** Node gives header bytes as Latin-1; PHP is to get the bytes that were sent. */
const asSent = (value: string): string => Buffer.from(value, 'latin1').toString('utf8');

const headerParam = (name: string, value: string): Param => [
  `HTTP_${name.toUpperCase().replaceAll('-', '_')}`,
  asSent(value),
];

const hostParams = (host: string, isHttps: boolean): Param[] => {
  const [, name = host, port] = /^(.*?)(?::(\d+))?$/.exec(host) ?? [];
  return [
    ['SERVER_NAME', name],
    ['SERVER_PORT', port ?? (isHttps ? '443' : '80')],
  ];
};

/** `trusted`: the peer is one whose statements about the caller are believed. */
export const requestView = (request: CallRequest, fn: GatewayFunction, url: string, trusted: boolean): RequestView => {
  const { incoming } = request;
  const item = fn.output.kind === 'stream' ? fn.output.item : fn.output;
  // JSON is written anew, so that a script must not compress it for the caller.
  const usual = item.kind === 'json' ? USUAL.filter((name) => name !== 'accept-encoding') : USUAL;
  const names = [...usual, ...fn.requestHeaders, ...(trusted ? OF_PROXIES : [])];
  const headers = names.flatMap((name): Param[] => {
    const value = request.header(name);
    return value === undefined ? [] : [headerParam(name, value)];
  });
  const isHttps = trusted && request.header('x-forwarded-proto')?.toLowerCase() === 'https';
  const params: Param[] = [
    ['SERVER_PROTOCOL', `HTTP/${incoming?.httpVersion ?? '1.1'}`],
    ['REQUEST_SCHEME', isHttps ? 'https' : 'http'],
    ...(isHttps ? [['HTTPS', 'on'] as const] : []),
    ...hostParams(request.header('host') ?? 'localhost', isHttps),
    ['SERVER_ADDR', incoming?.socket.localAddress ?? ''],
    // A unix socket has no address; scripts expect one.
    ['REMOTE_ADDR', request.peer ?? '127.0.0.1'],
    ['REMOTE_PORT', String(incoming?.socket.remotePort ?? 0)],
    ...headers,
  ];
  return { method: request.method, url, params };
};
