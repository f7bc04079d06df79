/** Where a FastCGI peer listens. */
export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** `sun_path` of sockaddr_un holds 108 bytes with its final NUL (Linux). */
export const UNIX_PATH_MAX_BYTES = 107;

/** `unix:/run/php.sock`, `/run/php.sock`, `tcp://10.0.0.5:9000`, `[::1]:9000` or `localhost:9000`; undefined if none of these. */
export const parseAddress = (text: string): Address | undefined => {
  const path = /^(?:unix:)?(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { kind: 'unix', path };
  const [, host, digits] = /^(?:tcp:\/\/)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port };
};

export const formatAddress = (address: Address): string =>
  address.kind === 'unix' ? `unix:${address.path}` : `tcp://${address.host}:${address.port}`;
