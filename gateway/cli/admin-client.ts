/** One request to the admin listener of a running gateway. */
import { StartupError, type StartupProblem } from '../startup.ts';
import { mendFor, UsageError, why } from './terminal.ts';

export interface AdminTarget {
  /** Where the admin listener is. */
  readonly url: string;
  readonly token: string | undefined;
}

export interface AdminRequest extends AdminTarget {
  readonly method: 'GET' | 'POST';
  readonly path: string;
}

/** The listener, where nobody says. */
export const defaultAdminUrl = (env: Readonly<Record<string, string | undefined>>): string =>
  env.FPM_GATEWAY_ADMIN_URL ?? `http://127.0.0.1:${env.FPMG_ADMIN__PORT ?? 8081}`;

const WAIT_MS = 60_000;

const send = async ({ method, path, url, token }: AdminRequest): Promise<Response> => {
  if (!/^https?:\/\//.test(url)) throw new UsageError(`${url} is no HTTP address: give --admin-url http://host:port.`);
  try {
    return await fetch(`${url.replace(/\/$/, '')}${path}`, {
      method,
      headers: { accept: 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      signal: AbortSignal.timeout(WAIT_MS),
    });
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    const advice =
      'Start a gateway (npm start), or name its admin listener with --admin-url or FPM_GATEWAY_ADMIN_URL (admin.port; admin.enabled must be on).';
    throw new UsageError(`There is no answer from ${url}: ${why(cause ?? error)}. ${advice}`);
  }
};

interface Refusal {
  readonly code?: string;
  readonly detail?: string;
  readonly errors?: readonly { readonly detail?: string }[];
  /** Of a project that does not load. */
  readonly problems?: readonly StartupProblem[];
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** The table's is for callers of functions. */
const notFoundStep = ({ url, path }: AdminRequest, detail = ''): string | undefined =>
  detail.includes(JSON.stringify(path)) ? `Is ${url} the admin listener (admin.port), of this version?` : undefined;

/** Resolves with the parsed JSON of a 2xx; rejects with UsageError or StartupError: what went wrong and the next step. */
export const adminRequest = async (request: AdminRequest): Promise<unknown> => {
  const response = await send(request);
  const body = parsed(await response.text());
  if (response.ok && body !== undefined) return body;
  const { url } = request;
  if (response.status === 401) {
    const what = request.token === undefined ? 'wants a token' : 'does not take this token';
    throw new UsageError(`The gateway at ${url} ${what}: give its admin.token with --token or FPMG_ADMIN__TOKEN.`);
  }
  const {
    code,
    detail,
    errors = [],
    problems: wrong,
  } = (typeof body === 'object' && body !== null ? body : {}) as Refusal;
  if (code === undefined)
    throw new UsageError(`${url} answered ${response.status}, and not as an admin listener: is --admin-url right?`);
  if (wrong !== undefined) throw new StartupError(wrong);
  const problems = errors.flatMap(({ detail: problem }) => (problem === undefined ? [] : [`\n  ${problem}`]));
  const next = code === 'not-found' ? notFoundStep(request, detail) : mendFor(code);
  throw new UsageError([detail ?? code, ...problems, next === undefined ? '' : `\n→ ${next}`].join(''));
};
